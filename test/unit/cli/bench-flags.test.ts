import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readBenchFlags } from '../../../src/cli/bench/flags.js';
import { planBench } from '../../../src/cli/bench/plan.js';
import { BenchStatus } from '../../../src/cli/bench/status.js';
import type { CommandInput } from '../../../src/cli/command.js';
import { main } from '../../../src/cli/main.js';
import { fakeIo, shownLines } from '../../support/fake-io.js';

const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));
const optionsOf = (flags: CommandInput['flags']) => readBenchFlags(flags).issues.map(({ option }) => option);

describe('the flags of t2i bench', () => {
  it('measure every backend, five times, for one and four at once, where nothing is said', () => {
    expect(readBenchFlags({})).toEqual({
      ...{ backends: null, rounds: 5, concurrency: [1, 4], against: null, python: undefined, serve: null, html: null },
      issues: [],
    });
  });

  it('are read', () => {
    const flags = { backend: 'onnxruntime, tensorrt,onnxruntime', rounds: '2', concurrency: '8, 2,8', html: 'a.html' };
    const { html, ...read } = readBenchFlags({ ...flags, against: 'diffusers', python: 'python3', serve: true });
    expect(read).toEqual({
      ...{ backends: ['onnxruntime', 'tensorrt'], rounds: 2, concurrency: [1, 2, 8], against: 'diffusers' },
      ...{ python: 'python3', serve: { queue: 64 }, issues: [] },
    });
    expect(isAbsolute(html ?? '')).toBe(true);
    expect(readBenchFlags({ serve: true, queue: '3' })).toMatchObject({ serve: { queue: 3 }, issues: [] });
    expect(readBenchFlags({ backend: 'onnxruntime,pytorch', python: 'python3' }).issues).toEqual([]);
    expect(readBenchFlags({ rounds: '1000', concurrency: '256' }).issues).toEqual([]);
  });

  it.each<[CommandInput['flags'], string[]]>([
    [{ backend: 'onnxruntime,cuda,' }, ['--backend', '--backend']],
    [{ rounds: '0' }, ['--rounds']],
    [{ rounds: '1001' }, ['--rounds']],
    [{ rounds: '1.5' }, ['--rounds']],
    [{ rounds: 'x2' }, ['--rounds']],
    [{ rounds: '2x' }, ['--rounds']],
    [{ rounds: '0x5' }, ['--rounds']],
    [{ rounds: '1e2' }, ['--rounds']],
    [{ concurrency: '1,257' }, ['--concurrency']],
    [{ concurrency: '0' }, ['--concurrency']],
    [{ concurrency: '1,' }, ['--concurrency']],
    [{ against: 'comfy' }, ['--against']],
    [{ python: 'python3' }, ['--python']],
    [{ queue: '3' }, ['--queue']],
    [{ serve: true, queue: '0' }, ['--queue']],
    [{ rounds: 'x', concurrency: 'y', against: 'z' }, ['--rounds', '--concurrency', '--against']],
  ])('are refused, all at once: %j', (flags, options) => {
    expect(optionsOf(flags)).toEqual(options);
  });

  it('say what came, and what is expected', () => {
    expect(readBenchFlags({ backend: 'cuda', concurrency: '1,x' }).issues).toEqual([
      { option: '--backend', expected: expect.stringMatching(/^all, or .*onnxruntime/), received: '"cuda"' },
      { option: '--concurrency', expected: expect.stringContaining('from 1 to 256'), received: '"1,x"' },
    ]);
  });
});

describe('the plan of a benchmark', () => {
  const plan = (flags: CommandInput['flags'] = {}) =>
    planBench({ args: [], flags: { model: TINY, ...flags } }, fakeIo());
  const bench = async (...argv: string[]) => {
    const io = fakeIo();
    return { code: await main(['bench', '--model', TINY, ...argv], io), err: io.err() };
  };

  it('draws one image that everybody can draw again', async () => {
    const { request, load, model } = await plan({ threads: '2', backend: 'onnxruntime' });
    expect(request).toMatchObject({ prompt: expect.stringContaining('apple'), seeds: [7] });
    expect(load).toEqual({ model: model.dir, threads: 2 });
  });

  it('draws what is asked for, and as diffusers is told to where it is compared', async () => {
    const flags = { steps: '3', seed: '5', sampler: 'euler' };
    expect((await plan(flags)).request).toMatchObject({ steps: 3, seeds: [5], sampler: 'euler' });
    expect((await plan({ ...flags, against: 'diffusers' })).request).toMatchObject({ steps: 3, sampler: 'ddim' });
  });

  it.each([
    ['--rounds', '0'],
    ['--steps', '0'],
    ['--threads', '0'],
    ['--size', 'big'],
  ])('is refused for %s %s alone', async (flag, value) => {
    const { code, err } = await bench(flag, value);
    expect([code, err]).toEqual([2, expect.stringContaining(`${flag}: expected`)]);
  });

  it('is refused with every mistake at once, before anything is opened', async () => {
    const { code, err } = await bench('--steps', '0', '--rounds', '0', '--threads', '0', '--size', 'big');
    expect(code).toBe(2);
    for (const flag of ['--steps', '--rounds', '--threads', '--size']) expect(err).toContain(`${flag}: expected`);
  });
});

describe('the status of a benchmark', () => {
  it('says what is measured, and how long the rest takes', () => {
    let now = 1000;
    const io = fakeIo({ terminal: true });
    const status = new BenchStatus(io, () => now);
    status.show('loading');
    now = 5000;
    status.update({ what: 'first', done: 0, total: 6 });
    now = 7000;
    status.update({ what: 'second', done: 2, total: 6 });
    status.clear();
    expect(shownLines(io.err())).toEqual(['', 'loading', 'first', 'second, 33 %, 4.0 s left', '']);
  });
});
