import type { Command } from '../command.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export const completion: Command = {
  name: 'completion',
  summary: 'Print a script that lets a shell complete commands, flags and their values.',
  arguments: [{ name: 'shell', description: 'bash, zsh or fish', required: true, values: SHELLS }],
  flags: [],
  examples: [
    'source <(t2i completion bash)',
    't2i completion zsh > ~/.zsh/completions/_t2i',
    't2i completion fish > ~/.config/fish/completions/t2i.fish',
  ],
  async run(input, io) {
    const { printCompletion } = await import('./print-completion.js');
    return printCompletion(input, io);
  },
};
