import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RUNTIMES } from '../../../src/backends/engines.js';
import { BACKENDS } from '../../../src/backends/select.js';
import { COMMANDS } from '../../../src/cli/commands.js';
import { EXIT, exitCode } from '../../../src/cli/exit-codes.js';
import { Interrupted } from '../../../src/cli/io.js';
import { LOAD_FLAGS } from '../../../src/cli/load-flags.js';
// Loaded with the file, not by whichever test is the first.
import '../../../src/cli/generate/generate-images.js';
import { main } from '../../../src/cli/main.js';
import { printError } from '../../../src/cli/output.js';
import { parseCommandLine } from '../../../src/cli/program.js';
import { SAMPLER_NAMES } from '../../../src/diffusion/samplers/index.js';
import { type ErrorCode, T2IError, T2IInternalError } from '../../../src/errors.js';
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
    [[''], '', {}],
    [['verify this'], 'verify this', {}],
    [['--', '--json'], '--json', {}],
  ])('draws %j, a prompt without a command', (argv, prompt, flags) => {
    expect(parsed(...argv)).toEqual({ name: 'generate', args: [prompt], flags });
  });

  it.each([
    [['generat'], 'unknown command "generat"; did you mean "generate"?'],
    [['draw', 'a cat'], 'unknown command "draw"; did you mean "generate"?'],
    [['help', 'me'], 'unknown command "me"; there are generate, verify, '],
    [['--json', 'verify', 'x.png'], 'expected the command "verify" before its options, received --json first'],
    [['generate', 'x', '--stpes', '3'], 'unknown option --stpes; did you mean --steps?'],
    [['generate', 'x', '--cfg', '3'], 'unknown option --cfg; did you mean --guidance?'],
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

describe('errors', () => {
  const print = (error: unknown, options: Parameters<typeof fakeIo>[0] = {}) => {
    const io = fakeIo(options);
    printError(io, error, false);
    expect(io.out()).toBe('');
    return io.err();
  };

  it('of the user come with the hint and without a stack', () => {
    const text = print(new T2IError('IO_FAILED', 'cannot write x', { hint: 'choose another' }));
    expect(text).toBe('error: cannot write x\nhint: choose another\n');
  });

  it.each([new T2IInternalError('a broken promise'), new TypeError('x is not a function')])(
    'of ours come with the stack',
    (error) => {
      const text = print(error);
      expect(text).toContain(error.message);
      expect(text).toMatch(/\n {4}at /);
    },
  );

  it('with several mistakes take a line each', () => {
    const issue = (option: string) => ({ option, expected: 'a', received: 'b' });
    const text = print(new T2IError('OPTION_INVALID', 'joined', { issues: [issue('--x'), issue('--y')] }));
    expect(text).toBe('error: 2 mistakes\n  --x: expected a, received b\n  --y: expected a, received b\n');
  });

  it('say what a message sums up, and not again what it says', () => {
    const issue = (option: string) => ({ option, expected: 'a caption', received: 'none' });
    const summary = print(
      new T2IError('DATA_INVALID', '2 of 9 images cannot be used', { issues: [issue('x'), issue('y')] }),
    );
    expect(summary).toBe(
      'error: 2 of 9 images cannot be used\n  x: expected a caption, received none\n  y: expected a caption, received none\n',
    );
    const whole = 'The model cannot be used: x: expected a caption, received none.';
    expect(print(new T2IError('MODEL_INVALID', whole, { issues: [issue('x')] }))).toBe(`error: ${whole}\n`);
  });

  it('stay a page where there are thousands of mistakes', () => {
    const issues = Array.from({ length: 7000 }, (_, at) => ({ option: `image-${at}`, expected: 'a', received: 'b' }));
    for (const code of ['OPTION_INVALID', 'DATA_INVALID'] as const) {
      const lines = print(new T2IError(code, 'summary', { issues }))
        .trimEnd()
        .split('\n');
      expect(lines).toHaveLength(22);
      expect(lines.at(-1)).toBe('  and 6980 more: --json tells all');
    }
  });

  it('are red on a terminal alone, and never under NO_COLOR', () => {
    const error = new T2IError('CLOSED', 'x');
    expect(print(error)).not.toContain('\u001b');
    expect(print(error, { terminal: true })).toContain('\u001b[31m');
    expect(print(error, { terminal: true, env: { NO_COLOR: '1' } })).not.toContain('\u001b');
  });

  const running = new AbortController().signal;
  it.each<[ErrorCode, number]>([
    ['OPTION_INVALID', EXIT.usage],
    ['MODEL_NOT_FOUND', EXIT.model],
    ['MODEL_INVALID', EXIT.model],
    ['BACKEND_UNAVAILABLE', EXIT.device],
    ['OUT_OF_MEMORY', EXIT.device],
    ['ENGINE_INVALID', EXIT.model],
    ['ENGINE_INACCURATE', EXIT.model],
    ['ENGINE_BUILD_FAILED', EXIT.device],
    ['DEVICE_LOST', EXIT.device],
    ['NETWORK_FAILED', EXIT.network],
    ['RECEIPT_MISSING', EXIT.failure],
    ['INTERNAL', EXIT.failure],
  ])('%s ends with %d', (code, expected) => {
    expect(exitCode(new T2IError(code, 'x'), running)).toBe(expected);
  });

  it('that follow from a signal end with its code', () => {
    const crash = new T2IError('BACKEND_CRASHED', 'x');
    expect(exitCode(crash, AbortSignal.abort(new Interrupted('SIGINT')))).toBe(130);
    expect(exitCode(crash, AbortSignal.abort(new Interrupted('SIGTERM')))).toBe(143);
    expect(exitCode(crash, AbortSignal.abort(new Interrupted('SIGHUP')))).toBe(129);
    expect(exitCode(crash, AbortSignal.abort())).toBe(130);
  });

  it.each([new TypeError('x'), 'text', undefined])('that nobody foresaw end with 1: %s', (error) => {
    expect(exitCode(error, running)).toBe(EXIT.failure);
  });

  it('of a command that is interrupted say by what, and nothing to programs', async () => {
    const io = fakeIo({ signal: AbortSignal.abort(new Interrupted('SIGTERM')) });
    expect(await main(['generate', 'x', '--json'], io)).toBe(143);
    expect([io.out(), io.err()]).toEqual(['', 'interrupted by SIGTERM\n']);
  });
});
