import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { RUNTIMES } from '../../../src/backends/engines.js';
import { BACKENDS } from '../../../src/backends/select.js';
import type { Command } from '../../../src/cli/command.js';
import { COMMANDS } from '../../../src/cli/commands.js';
// Loaded with the file, not by whichever test is the first.
import '../../../src/cli/completion/print-completion.js';
import { argumentWords, flagWords } from '../../../src/cli/completion/words.js';
import { zshScript } from '../../../src/cli/completion/zsh.js';
import { main } from '../../../src/cli/main.js';
import { SAMPLER_NAMES } from '../../../src/diffusion/samplers/index.js';
import { IMAGE_FORMATS } from '../../../src/image/formats.js';
import { fakeIo } from '../../support/fake-io.js';
import { noCommand, skipFor } from '../../support/skip-for.js';

/** Where a file may stand too, none is there. */
const folder = mkdtempSync(join(tmpdir(), 't2i-completion-'));
afterAll(() => rmSync(folder, { recursive: true }));

const VERBS = [...COMMANDS.map(({ name }) => name), 'help'];

async function script(shell: string): Promise<string> {
  const io = fakeIo();
  expect(await main(['completion', shell], io)).toBe(0);
  return io.out();
}

/** What a shell prints that runs the script and then a few lines more; it reads no files of its user. */
async function run(
  shell: 'bash' | 'zsh' | 'fish',
  more: string,
  flags: readonly string[],
  cwd: string = folder,
): Promise<string[]> {
  const { status, stdout, stderr } = spawnSync(shell, [...flags, '-c', `${await script(shell)}\n${more}`], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: '/nonexistent' },
    cwd,
  });
  expect([status, stderr]).toEqual([0, '']);
  return stdout.split('\n').filter(Boolean);
}

const flagsOf = (name: string) =>
  COMMANDS.filter((command) => command.name === name)
    .flatMap(flagWords)
    .flatMap(({ names }) => names);

/** Words before the cursor, the last of which is being typed, and what is offered. */
const CASES: [line: readonly string[], offered: readonly string[]][] = [
  [[''], VERBS],
  [['b'], ['build-engine', 'bench']],
  [['help', 'v'], ['verify']],
  [['generate', '--sam'], ['--sampler']],
  [['generate', '--sampler', ''], SAMPLER_NAMES],
  [
    ['generate', '--sampler', 'euler'],
    ['euler', 'euler-a'],
  ],
  [['a cat', '--form'], ['--format']],
  [['a cat', '--format', ''], IMAGE_FORMATS],
  [['--format', ''], IMAGE_FORMATS],
  // A flag that takes no value is followed by what may stand without it.
  [['generate', '--json', '--samp'], ['--sampler']],
  [['verify', '--'], flagsOf('verify').filter((name) => name.startsWith('--'))],
  [
    ['engines', ''],
    ['list', 'inspect', 'prune'],
  ],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
];
const quoted = (line: readonly string[]) => line.map((word) => `'${word}'`).join(' ');
const sorted = (words: readonly string[]) => [...words].sort();

describe('the words that shells offer', () => {
  it('are all commands, all flags, and every value that there is', () => {
    const values = (command: string, flag: string) =>
      COMMANDS.filter(({ name }) => name === command)
        .flatMap(flagWords)
        .find(({ names }) => names.includes(flag))?.values;
    expect(values('generate', '--sampler')).toEqual(SAMPLER_NAMES);
    expect(values('generate', '--format')).toEqual(IMAGE_FORMATS);
    expect(values('generate', '--backend')).toEqual(['auto', ...BACKENDS.map(({ name }) => name)]);
    expect(values('build-engine', '--runtime')).toEqual(RUNTIMES);
    expect(flagsOf('generate')).toContain('-n');
    expect(flagsOf('generate')).not.toContain('--n');
    expect(flagsOf('pull')).toEqual(['--json', '-h', '--help']);
    const words = COMMANDS.map((command) => [command.name, argumentWords(command)]).filter(([, said]) => said?.length);
    expect(Object.fromEntries(words)).toEqual({
      engines: ['list', 'inspect', 'prune'],
      jobs: ['list', 'status', 'logs', 'stop', 'resume', 'fetch', 'serve'],
      models: ['list', 'remove'],
      pipeline: ['run', 'status'],
      params: ['check', 'show', 'import'],
      data: ['import', 'caption', 'embed', 'latents', 'check', 'push'],
      model: ['pack', 'unpack', 'convert-pickle'],
      completion: ['bash', 'zsh', 'fish'],
    });
  });

  it('are refused to other shells, with the one that was meant', async () => {
    const io = fakeIo();
    expect(await main(['completion', 'bsh'], io)).toBe(2);
    expect(io.err()).toContain('unknown shell "bsh"; did you mean "bash"?');
  });
});

describe('bash', skipFor(noCommand('bash')), () => {
  it.each(CASES)('offers for %j %j', async (line, offered) => {
    const words = `COMP_WORDS=(t2i ${quoted(line)}); COMP_CWORD=${line.length}; _t2i`;
    const shown = await run('bash', `${words}\nprintf '%s\\n' "\${COMPREPLY[@]}"`, ['--norc', '--noprofile']);
    expect(sorted(shown)).toEqual(sorted(offered));
  });

  it('is told nothing where no words are known, so that it offers files', async () => {
    expect(await script('bash')).not.toMatch(/(\)|&&) words=""/);
  });
});

describe('fish', skipFor(noCommand('fish')), () => {
  const offeredFor = async (line: readonly string[], cwd?: string) => {
    const typed = `t2i ${line.map((word) => (word.includes(' ') ? `"${word}"` : word)).join(' ')}`;
    const shown = await run('fish', `complete -C '${typed}'`, ['--no-config'], cwd);
    return shown.map((text) => text.split('\t')[0] as string);
  };

  it.each(CASES)('offers for %j %j', async (line, offered) => {
    expect(sorted(await offeredFor(line))).toEqual(sorted(offered));
  });

  it('offers all flags, the short ones too', async () => {
    expect(sorted(await offeredFor(['generate', '-']))).toEqual(sorted(flagsOf('generate')));
  });

  it.each([
    [['verify', ''], ['apple.png']],
    [['verify', '--strict', ''], ['apple.png']],
    [['generate', '--output', ''], ['apple.png']],
    [
      ['completion', ''],
      ['bash', 'fish', 'zsh'],
    ],
    [['generate', '--steps', ''], []],
  ])('offers files where one may stand, and nowhere else: for %j %j', async (line, offered) => {
    const withFile = join(folder, 'with-file');
    mkdirSync(withFile, { recursive: true });
    writeFileSync(join(withFile, 'apple.png'), '');
    expect(sorted(await offeredFor(line, withFile))).toEqual(sorted(offered));
    rmSync(withFile, { recursive: true });
  });
});

describe('the script for zsh', () => {
  it('escapes what means something to zsh in the words of a flag or a command', () => {
    const command: Command = {
      name: 'draw',
      summary: "what it's for: a [red] apple",
      arguments: [],
      flags: [{ flags: '--size <wxh>', description: "for example [64x64], a preset's: C:\\x" }],
      examples: [],
      run: async () => 0,
    };
    const text = zshScript([command]);
    expect(text).toContain(String.raw`    'draw:what it'\''s for\: a [red] apple'`);
    expect(text).toContain(String.raw`'--size[for example \[64x64\], a preset'\''s\: C\:\\x]:value:'`);
  });
});

describe('zsh', skipFor(noCommand('zsh')), () => {
  /** What the script hands to the functions of zsh that show it: commands, or what a command takes. */
  const handedOver = (line: readonly string[]) => {
    const helpers = '_arguments() { print -rl -- $words[1] "$@" }; _describe() { print -rl -- $commands }';
    return run('zsh', `${helpers}; words=(t2i ${quoted(line)}); CURRENT=${line.length + 1}; _t2i`, ['-f']);
  };

  it('offers the commands first, and for help', async () => {
    for (const line of [[''], ['b'], ['help', 'v']]) {
      expect((await handedOver(line)).map((text) => text.split(':')[0])).toEqual(VERBS);
    }
  });

  it.each([
    [['verify', '--'], 'verify'],
    [['generate', '--'], 'generate'],
    [['a cat', '--'], 'generate'],
    [['--format', ''], 'generate'],
  ])('offers for %j what %s takes', async (line, verb) => {
    const [command, , ...specs] = await handedOver(line);
    // Without a command the words are left as they are.
    expect(command).toBe(line[0] === verb ? verb : 't2i');
    expect(specs.map((spec) => spec.split('[')[0])).toEqual([...flagsOf(verb), '*:argument:_files']);
    if (verb === 'generate') {
      expect(specs.filter((spec) => spec.startsWith('--format['))).toEqual([
        expect.stringMatching(/:\(png jpeg webp\)$/),
      ]);
      expect(specs.filter((spec) => spec.startsWith('--output['))).toEqual([expect.stringMatching(/:_files$/)]);
    }
  });

  it('offers the words that a command takes', async () => {
    expect((await handedOver(['completion', ''])).at(-1)).toBe('1:argument:(bash zsh fish)');
  });
});
