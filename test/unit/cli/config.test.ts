import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CommandInput } from '../../../src/cli/command.js';
import { readDefaults, withDefaults } from '../../../src/cli/config/defaults.js';
import { generate } from '../../../src/cli/generate/command.js';
import { main } from '../../../src/cli/main.js';
import { T2IError } from '../../../src/errors.js';
import { fakeIo } from '../../support/fake-io.js';

const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-config-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, content: unknown) => {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
};
const config = (content: unknown) => write('t2i.config.json', content);

/** What a run of `generate` gets with these flags typed. */
const input = (flags: CommandInput['flags'] = {}, cwd = folder) =>
  withDefaults(generate, { args: ['a cat'], flags }, readDefaults(fakeIo({ cwd })));

async function t2i(argv: readonly string[], cwd = folder) {
  const io = fakeIo({ cwd });
  return { code: await main(argv, io), out: io.out(), err: io.err() };
}

function issues(cwd = folder): Record<string, string> {
  try {
    readDefaults(fakeIo({ cwd }));
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    return Object.fromEntries(
      error.issues.map(({ option, expected, received, problem }) => [option, problem ?? `${expected}, ${received}`]),
    );
  }
  return {};
}

describe('the defaults of t2i.config.json', () => {
  it('hold for what is not typed, and say where they are from', () => {
    config({ steps: 12, sampler: 'ddim', preview: true, metadata: false, seeds: [1, 2] });
    expect(input({ steps: '3' })).toEqual({
      args: ['a cat'],
      flags: { steps: '3', sampler: 'ddim', preview: true, metadata: false, seeds: '1,2' },
      sources: {
        sampler: 't2i.config.json: sampler',
        preview: 't2i.config.json: preview',
        metadata: 't2i.config.json: metadata',
        seeds: 't2i.config.json: seeds',
      },
    });
  });

  it.each<[typed: CommandInput['flags'], written: object]>([
    [{ n: '2' }, { count: 3 }],
    [{ seed: '2' }, { seeds: '1-3' }],
    [{ seeds: '2' }, { seed: 1, n: 3 }],
    [{ size: '64' }, { width: 128, height: 128 }],
    [{ guidance: '2' }, { guidanceScale: 3 }],
    [{ negative: 'a' }, { 'negative-prompt': 'b' }],
    [{ preset: 'fast' }, { steps: 50, sampler: 'ddim', guidance: 2 }],
    [{ output: 'a.webp' }, { format: 'png' }],
  ])('give way to %j where they are %j', (typed, written) => {
    config(written);
    expect(input(typed).flags).toEqual(typed);
  });

  it('are those of package.json where there is no file, and of the nearest folder of the project', () => {
    write('package.json', { t2i: { steps: 5 } });
    expect(input().sources).toEqual({ steps: 'package.json: t2i: steps' });
    expect(input({}, join(folder, 'a/b')).sources).toEqual({ steps: join('..', '..', 'package.json: t2i: steps') });
    write('a/t2i.config.json', { steps: 6 });
    expect(input({}, join(folder, 'a/b')).flags).toEqual({ steps: '6' });
    config({ steps: 7 });
    expect(input().flags).toEqual({ steps: '7' });
  });

  it('are not taken from folders outside the project', () => {
    config({ steps: 5 });
    write('project/package.json', {});
    expect(input({}, join(folder, 'project/src')).flags).toEqual({});
    expect(input({}, join(folder, 'elsewhere')).flags).toEqual({});
    write('package.json', {});
    write('damaged/package.json', '{');
    expect(input({}, join(folder, 'damaged')).flags).toEqual({});
  });

  it('are none where the working folder is gone, or leads nowhere', () => {
    symlinkSync('loop', join(folder, 'loop'));
    expect(input({}, join(folder, 'loop')).flags).toEqual({});
    const cwd = vi.spyOn(process, 'cwd').mockImplementation(() => {
      throw new Error('ENOENT');
    });
    expect(readDefaults({ ...fakeIo(), cwd: undefined })).toEqual({ file: null, values: new Map() });
    cwd.mockRestore();
  });

  it('are not passed over where they cannot be read', async () => {
    mkdirSync(join(folder, 't2i.config.json'));
    const { code, err } = await t2i(['config']);
    expect([code, err]).toEqual([1, expect.stringContaining('t2i.config.json')]);
    rmSync(join(folder, 't2i.config.json'), { recursive: true });
    config('{');
    expect((await t2i(['config'])).err).toContain(`hint: Correct ${join(folder, 't2i.config.json')}`);
  });

  it('name paths from the folder that they lie in', () => {
    write('package.json', {});
    config({ model: './my-model', output: 'images/' });
    expect(input().flags).toEqual({ model: './my-model', output: 'images/' });
    expect(input({}, join(folder, 'src')).flags).toEqual({
      model: join('..', 'my-model'),
      output: join('..', 'images/'),
    });
    for (const written of [
      { model: 'emoji-128', output: '-' },
      { model: 'v1.5', negative: 'a/b', preview: true },
    ]) {
      config(written);
      expect(input({}, join(folder, 'src')).flags).toEqual(written);
    }
  });

  it('are refused by file and key, all that are wrong at once', () => {
    config({ stpes: 5, steps: null, eta: [1], preview: 'yes', seeds: {}, batch: 'x', json: true, zebra: 1 });
    expect(issues()).toEqual({
      't2i.config.json: stpes': 'unknown option; did you mean "steps"?',
      't2i.config.json: steps': 'text or a number, null',
      't2i.config.json: eta': 'text or a number, a list of 1',
      't2i.config.json: preview': 'true or false, "yes"',
      't2i.config.json: seeds': 'a list of numbers, or text such as "1-5", an object',
      't2i.config.json: batch': expect.stringContaining('unknown option'),
      't2i.config.json: json': expect.stringContaining('unknown option'),
      't2i.config.json: zebra': expect.stringContaining('unknown option; expected one of output, '),
    });
  });

  it.each([
    ['{', 't2i.config.json is not valid JSON'],
    [[], 't2i.config.json: expected an object, received a list of 0'],
    [{ steps: 0 }, 't2i.config.json: steps: expected an integer from 1 to 1000, received 0'],
    [{ size: '7x7' }, 't2i.config.json: size: expected a multiple of 16 from 16 to 4096, received "7x7"'],
    [{ guidanceScale: 'x' }, 't2i.config.json: guidanceScale: expected a number from 0 to 1000, received "x"'],
    [{ format: 'gif' }, 't2i.config.json: format: expected one of png, jpeg, webp, received "gif"'],
    [
      { backend: 'cuda' },
      't2i.config.json: backend: expected one of auto, tensorrt, onnxruntime, pytorch, received "cuda"',
    ],
  ])('are a typed error where they are %j', async (content, message) => {
    config(typeof content === 'string' || Array.isArray(content) ? content : { model: TINY, ...content });
    for (const argv of [['a cat'], ['config']]) {
      const { code, err } = await t2i(argv);
      expect(err).toContain(`error: ${message}`);
      expect(code).toBe(2);
      expect(JSON.parse((await t2i([...argv, '--json'])).out).error.code).toBe('OPTION_INVALID');
    }
  });

  it('are of no account to commands that take none', async () => {
    config('{');
    expect((await t2i(['inspect', '/no/such/model'])).code).toBe(3);
  });
});

describe('t2i config', () => {
  const settings = async (cwd?: string) => JSON.parse((await t2i(['config', '--json'], cwd)).out);

  it('shows what holds where nothing is written down', async () => {
    const { file, settings: shown } = await settings();
    expect(file).toBeNull();
    expect(Object.keys(shown)).toEqual(['model', 'backend', 'output', 'count', 'size', 'steps', 'sampler', 'guidance']);
    expect(shown.model).toEqual({ value: 'emoji-128', source: 'built in' });
    expect(shown.size).toEqual({ value: '128x128', source: 'model emoji-128' });
  });

  it('shows what is written down in the place of what it replaces', async () => {
    config({ n: 3, width: 64, steps: 5 });
    const { file, settings: shown } = await settings();
    expect(file).toBe(join(folder, 't2i.config.json'));
    expect(Object.keys(shown)).toEqual(['model', 'backend', 'output', 'sampler', 'guidance', 'n', 'width', 'steps']);
    expect(shown.steps).toEqual({ value: '5', source: 't2i.config.json: steps' });
    expect(shown.sampler).toEqual({ value: 'ddim', source: 'model emoji-128' });
  });

  it('shows what a preset stands for, and what goes before it', async () => {
    cpSync(TINY, join(folder, 'model'), { recursive: true });
    write('model/t2i.json', {
      formatVersion: 1,
      name: 'with-presets',
      files: {},
      defaults: { steps: 4, guidanceScale: 3, sampler: 'ddim' },
      presets: { fast: { steps: 2, sampler: 'dpmpp-2m' } },
      training: {},
      dataFingerprint: 'x',
      nullEmbeddingSha256: 'a'.repeat(64),
      evaluation: null,
      licence: 'Apache-2.0',
    });
    config({ model: join(folder, 'model'), preset: 'fast', steps: 5 });
    const { settings: shown } = JSON.parse((await t2i(['config', '--json'])).out);
    expect(shown.steps).toEqual({ value: '5', source: 't2i.config.json: steps' });
    expect(shown.sampler).toEqual({ value: 'dpmpp-2m', source: 'model with-presets, preset fast' });
    expect(shown.preset.value).toBe('fast');
  });

  it('prints a table for people', async () => {
    config({ steps: 5 });
    const { code, out, err } = await t2i(['config']);
    expect([code, err]).toEqual([0, `${join(folder, 't2i.config.json')}\n`]);
    expect(out).toMatch(/^setting +value +from\nmodel +emoji-128 +built in\n/);
    expect(out).toMatch(/^steps +5 +t2i\.config\.json: steps$/m);
  });
});
