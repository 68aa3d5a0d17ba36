import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RUNTIMES } from '../../../src/backends/engines.js';
import { BACKENDS } from '../../../src/backends/select.js';
import { COMMANDS } from '../../../src/cli/commands.js';
import { EXIT_LIST } from '../../../src/cli/exit-codes.js';
import { LOAD_FLAGS } from '../../../src/cli/load-flags.js';
// Loaded with the file, not by whichever test is the first.
import '../../../src/cli/generate/generate-images.js';
import { main } from '../../../src/cli/main.js';
import { parseCommandLine } from '../../../src/cli/program.js';
import { SAMPLER_NAMES } from '../../../src/diffusion/samplers/index.js';
import { IMAGE_FORMATS } from '../../../src/image/formats.js';
import { parseLoadOptions } from '../../../src/options.js';
import { fakeIo } from '../../support/fake-io.js';

async function run(...argv: string[]) {
  const io = fakeIo();
  return { code: await main(argv, io), out: io.out(), err: io.err() };
}

describe('the command line', () => {
  it('prints help on standard output, with every command', async () => {
    const { code, out, err } = await run('--help');
    expect([code, err]).toEqual([0, '']);
    for (const { name } of COMMANDS) expect(out).toContain(`  ${name} `);
    for (const [code, meaning] of EXIT_LIST)
      expect(out).toMatch(new RegExp(`^ +${code} +${meaning.slice(0, 12)}`, 'm'));
  });

  it('has one folder for each command, and no other', () => {
    const cli = new URL('../../../src/cli/', import.meta.url);
    const folders = readdirSync(cli, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(folders.map(({ name }) => name).sort()).toEqual(COMMANDS.map(({ name }) => name).sort());
    for (const { name } of folders) expect(existsSync(new URL(`${name}/command.ts`, cli)), name).toBe(true);
  });

  it('prints the version', async () => {
    expect(await run('--version')).toEqual({
      code: 0,
      out: expect.stringMatching(/^@t2i\/sdk \d+\.\d+\.\d+\n$/),
      err: '',
    });
  });

  it.each(COMMANDS.map((command) => [command.name, command] as const))('helps with %s', async (name, command) => {
    const { code, out } = await run(name, '--help');
    expect(code).toBe(0);
    for (const { flags, hidden } of command.flags) {
      if (hidden) expect(out).not.toContain(flags);
      else expect(out).toContain(flags);
    }
    for (const example of command.examples) expect(out).toContain(example);
  });

  it.each([
    [['generat'], 'generate'],
    [['generate', 'x', '--stpes', '3'], '--steps'],
    [['verify', 'x.png', '--jsno'], '--json'],
  ])('refuses %s and names the nearest', async (argv, nearest) => {
    const { code, out, err } = await run(...argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(nearest);
  });

  it.each([
    [[]],
    [['verify']],
    [['generate', 'a', 'red', 'apple']],
    [['generate', 'x', '--steps']],
    [['generate']],
    [['generate', 'x', '--batch', 'y']],
  ])('takes %j for a usage error', async (argv) => {
    const { code, out, err } = await run(...argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).not.toBe('');
  });

  it.each([
    [['help'], ['--help']],
    [['help', '--json'], ['--help']],
    [
      ['help', 'verify'],
      ['verify', '--help'],
    ],
    [['-v'], ['--version']],
    [['-V'], ['--version']],
    [['-h'], ['--help']],
  ])('understands %j as %j', async (short, long) => {
    const { code, out } = await run(...short);
    expect(code).toBe(0);
    expect(out).toBe((await run(...long)).out);
  });

  const parsed = (...argv: string[]) => {
    const io = fakeIo();
    const invocation = parseCommandLine(COMMANDS, argv, io, 'x');
    return 'command' in invocation ? { name: invocation.command.name, ...invocation.input } : io.err();
  };

  it.each([
    [['a red apple'], 'a red apple', {}],
    [['cat'], 'cat', {}],
    [['a red apple', '--steps', '3'], 'a red apple', { steps: '3' }],
    [['-n', '2', 'a red apple'], 'a red apple', { count: '2' }],
    [['-'], '-', {}],
    [['-', '-o', 'models'], '-', { output: 'models' }],
    [[''], '', {}],
    [['verify this'], 'verify this', {}],
    [['--', '--json'], '--json', {}],
  ])('draws %j, a prompt without a command', (argv, prompt, flags) => {
    expect(parsed(...argv)).toEqual({ name: 'generate', args: [prompt], flags });
  });

  it.each([
    [['generat'], 'unknown command "generat"; did you mean "generate"?'],
    [['draw', 'a cat'], 'unknown command "draw"; did you mean "generate"?'],
    [['help', 'me-'], 'unknown command "me-"'],
    [['help', 'me'], 'unknown command "me"; there are generate, verify, '],
    [
      ['--json', 'verify', 'x.png'],
      'expected the command "verify" before its options, received --json first\nhint: t2i verify --json',
    ],
    [['verify', 'x.png', 'y.png'], "too many arguments for 'verify'"],
    [['generate', 'x', '--stpes', '3'], 'unknown option --stpes; did you mean --steps?'],
    [['generate', 'x', '--cfg', '3'], 'unknown option --cfg; did you mean --guidance?'],
    [['generate', 'x', '--cfg=3'], 'unknown option --cfg; did you mean --guidance?'],
    [['a', 'red', 'apple'], 'Put the prompt in quotes: t2i "a red apple"'],
    [['verify'], "missing required argument 'image'"],
    [['generate', 'x', '--steps'], "option '--steps <n>' argument missing"],
    [['train', '--init-from', ''], 'error: --init-from: expected a folder, received ""'],
    [['promote', '--force', ''], 'error: --force: expected a reason, which is recorded, received ""'],
    [['train', '--run', '_mine'], 'underscores, a letter or a digit first, received "_mine"'],
  ])('refuses %j: %s', async (argv, words) => {
    const { code, out, err } = await run(...argv);
    if (!argv.includes('--json')) expect(out).toBe('');
    expect(code).toBe(2);
    expect(err).toContain(words);
    expect(err.match(/^error: /gm)).toHaveLength(1);
  });

  it('says how it is used where it stands alone, and calls that no error', async () => {
    const { out, err } = await run();
    expect([out, err]).toEqual(['', (await run('--help')).out]);
  });

  it('takes a command that is wrong itself for no mistake of who types it', () => {
    const twice = COMMANDS.slice(0, 1).flatMap((command) => [command, command]);
    expect(() => parseCommandLine(twice, ['x'], fakeIo(), '1')).toThrow(/generate/);
  });

  it('suggests no flag that is nothing like what was typed', async () => {
    expect((await run('generate', 'x', '--zebra')).err).toBe(
      'error: unknown option --zebra\nhint: t2i generate --help\n',
    );
  });

  it.each([[['generat']], [['generate', 'x', '--stpes', '3']], [['verify']], [['a', 'red', 'apple']]])(
    'tells the usage error of %j as JSON too where that is asked for',
    async (argv) => {
      const { code, out, err } = await run(...argv, '--json');
      expect(code).toBe(2);
      const { error } = JSON.parse(out);
      expect(error).toEqual({ code: 'OPTION_INVALID', message: expect.any(String), hint: expect.any(String) });
      expect(err).toBe(`error: ${error.message}\nhint: ${error.hint}\n`);
    },
  );

  it('names every sampler, format, backend and runtime that there is', async () => {
    const { out } = await run('generate', '--help');
    const text = out.replace(/\s+/g, ' ');
    const list = (names: readonly string[]) => `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
    expect(text).toContain(list(SAMPLER_NAMES));
    expect(text).toContain(list(IMAGE_FORMATS));
    expect(text).toContain(list(['auto', ...BACKENDS.map(({ name }) => name)]));
    expect((await run('build-engine', '--help')).out).toContain(list(RUNTIMES));
  });

  it('names every option of the SDK that its flags set, as the SDK does', () => {
    const known = new Set(['model', 'backend', 'python', 'device', 'isolation', 'strict', 'threads']);
    const set = LOAD_FLAGS.flatMap(({ sets = [] }) => sets);
    expect(new Set(set)).toEqual(known);
    expect(() => parseLoadOptions(Object.fromEntries(set.map((name) => [name, undefined])))).not.toThrow();
  });

  it.each([
    [['--size', '7x7'], '--size: expected a multiple of 32 from 32 to 4096, received "7x7"'],
    [['--size', '128x7'], '--size: expected a multiple of 32 from 32 to 4096, received "128x7"'],
    [['--width', '7'], '--width: expected a multiple of 32 from 32 to 4096, received 7'],
    [['--n', '0'], '--n: expected an integer from 1 to 100, received 0'],
    [['-n', '0'], '--count: expected an integer from 1 to 100, received 0'],
    [['--guidance-scale', 'x'], '--guidance-scale: expected a number from 0 to 1000, received "x"'],
    [['--seeds', '5-1'], '--seeds: expected 1 to 100 seeds, for example 1,2,3 or 1-5, received "5-1"'],
    [['--steps', '0'], '--steps: expected an integer from 1 to 1000, received 0'],
  ])('tells the one mistake in %j once, by what was typed', async (argv, text) => {
    expect((await run('a red apple', ...argv)).err).toBe(`error: ${text}\nhint: t2i generate --help\n`);
  });

  it('tells an error as JSON on standard output too where that is asked for', async () => {
    const { code, out, err } = await run('inspect', '/no/such/model', '--json');
    expect(code).toBe(3);
    expect(JSON.parse(out)).toEqual({ error: expect.objectContaining({ code: 'MODEL_NOT_FOUND' }) });
    expect(err).toContain('/no/such/model');
  });
});
