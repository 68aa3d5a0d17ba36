import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands.js';
import { parseCommandLine } from '../../../src/cli/program.js';
import { fakeIo } from '../../support/fake-io.js';
import { codeBlocks } from '../../support/markdown.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Command lines of `t2i` that a page shows in blocks and in text, without what a shell makes of them. */
function commandLines(page: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const blocks = codeBlocks(text, 'sh').flatMap((block) => block.split('\n'));
  const names = new Set(COMMANDS.map(({ name }) => `t2i ${name}`));
  // A sentence may name a command without saying how to call it.
  const inText = [...text.matchAll(/`(t2i [^`]+)`/g)]
    .map(([, line]) => line as string)
    .filter((line) => !names.has(line));
  return [...blocks, ...inText].flatMap((line) => {
    const [, command] = /(?:^|[\s(])(t2i [a-z"][^#]*)/.exec(line) ?? [];
    // Without the file that takes the output, and the end of `<(...)`.
    return command === undefined ? [] : [command.replace(/\s>.*|\)$/, '').trim()];
  });
}

/** Words as a shell splits them, quotes taken off. */
function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? (c as string));
}

function parse(line: string): string {
  const io = fakeIo();
  const argv = words(line).slice(1);
  // A word that is no command would be drawn; the prompts of the pages have several.
  if (/^[a-z-]+$/.test(argv[0] ?? '') && ![...COMMANDS.map(({ name }) => name), 'help'].includes(argv[0] as string))
    return `${line}: no command`;
  const invocation = parseCommandLine(COMMANDS, argv, io, 'x');
  return 'command' in invocation || invocation.exitCode === 0 ? '' : `${line}: ${io.err()}`;
}

describe('the command lines of the pages', () => {
  it.each(PAGES)('are valid in %s', (page) => {
    expect(commandLines(page).map(parse).filter(Boolean)).toEqual([]);
  });

  it('are there, and wrong ones are found', () => {
    expect(PAGES.flatMap(commandLines).length).toBeGreaterThan(25);
    expect(parse('t2i generate x --no-such-flag')).toContain('--no-such-flag');
    expect(parse('t2i unheard-of')).toContain('unheard-of');
    expect(words(`t2i generate "a b" -o 'c-{seed}.png'`)).toEqual(['t2i', 'generate', 'a b', '-o', 'c-{seed}.png']);
  });
});
