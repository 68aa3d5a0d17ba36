import { describe, expect, it } from 'vitest';
import type { CommandInput } from '../../../src/cli/command.js';
import { readFlags } from '../../../src/cli/generate/flags.js';
import { attempt, makeTasks, type Refused, type RunLimits, type Source } from '../../../src/cli/generate/tasks.js';
import { T2IError } from '../../../src/errors.js';
import { LIMITS } from '../../support/request-limits.js';

const limits: RunLimits = { ...LIMITS, nativeSize: { width: 64, height: 64 }, backends: ['auto', 'onnxruntime'] };

function tasks(source: Source, flags: CommandInput['flags'] = {}, output?: string) {
  return makeTasks(source, readFlags({ args: [], flags }), { output, format: undefined }, limits);
}

function issues(source: Source, flags: CommandInput['flags'] = {}, output?: string) {
  try {
    tasks(source, flags, output);
  } catch (error) {
    if (T2IError.is(error) && error.code === 'OPTION_INVALID') return error.issues.map(({ option }) => option);
    throw error;
  }
  return [];
}

const batch = (...lines: (object | string)[]) => ({
  batch: lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
});
const seeds = (source: Source, flags: CommandInput['flags'] = {}) =>
  tasks(source, flags, '{index}.png').map(({ request }) => request.seeds);

describe('the tasks of one prompt', () => {
  it('take every flag', () => {
    const flags = {
      count: '2',
      seed: '7',
      steps: '20',
      sampler: 'euler',
      sigmas: 'karras',
      guidance: '5.5',
      negative: 'blue',
      size: '64x128',
      preview: true,
    };
    const [task] = tasks({ prompt: 'a cat' }, flags, '{seed}.png');
    expect(task?.request).toEqual({
      prompt: 'a cat',
      negativePrompt: 'blue',
      seeds: [7, 8],
      steps: 20,
      guidanceScale: 5.5,
      sampler: 'euler',
      sigmas: 'karras',
      eta: null,
      width: 64,
      height: 128,
      previewEvery: 1,
    });
    expect(task?.images).toEqual([
      { seed: 7, path: '7.png' },
      { seed: 8, path: '8.png' },
    ]);
  });

  it.each([
    ['64', { width: 64, height: 64 }],
    ['128X64', { width: 128, height: 64 }],
  ])('read --size %s', (size, expected) => {
    expect(tasks({ prompt: 'a cat' }, { size })[0]?.request).toMatchObject(expected);
  });

  it('tell every mistake at once', () => {
    const flags = { steps: 'many', size: 'big', guidance: '-1', seeds: '1,x', backend: 'cuda', threads: '0' };
    expect(new Set(issues({ prompt: 'a cat' }, flags, 'x.gif'))).toEqual(
      new Set(['--size', '--output', 'steps', 'guidanceScale', '--seeds', 'backend', 'threads']),
    );
  });

  it.each([
    ['3', [3]],
    ['1,2,3', [1, 2, 3]],
    ['1-5', [1, 2, 3, 4, 5]],
    ['1..3', [1, 2, 3]],
    ['7, 1-2 ,9..9', [7, 1, 2, 9]],
    ['10-12', [10, 11, 12]],
    ['1-100', Array.from({ length: 100 }, (_, index) => index + 1)],
  ])('read --seeds %s', (text, expected) => {
    expect(tasks({ prompt: 'a cat' }, { seeds: text }, '{seed}.png')[0]?.request.seeds).toEqual(expected);
  });

  it.each([
    '',
    ',',
    '1,',
    '5-1',
    '-1',
    '1-',
    '1-2-3',
    '1...3',
    'one',
    '0-1000000000',
    '9007199254740990-9007199254740999',
  ])('refuse --seeds %j, once', (text) => {
    expect(issues({ prompt: 'a cat' }, { seeds: text }, '{seed}.png')).toHaveLength(1);
  });

  it.each(['big', '64x128px', 'x64', '64x', '64 x 64'])('refuse --size %j', (size) => {
    expect(issues({ prompt: 'a cat' }, { size })).toEqual(['--size']);
  });

  it('refuse more seeds than a request may have, by the flag', () => {
    expect(issues({ prompt: 'a cat' }, { seeds: '1-101' }, '{seed}.png')).toEqual(['--seeds']);
  });

  it('take the flags in the spelling of the SDK', () => {
    const [short] = tasks(
      { prompt: 'a' },
      { count: '2', seed: '1', guidance: '3', negative: '7', size: '64x72' },
      '{seed}',
    );
    const flags = { n: '2', seed: '1', guidanceScale: '3', negativePrompt: '7', width: '64', height: '72' };
    expect(tasks({ prompt: 'a' }, flags, '{seed}')).toEqual([short]);
    expect(short?.request.negativePrompt).toBe('7');
  });

  it('refuse two flags for one thing', () => {
    expect(issues({ prompt: 'a' }, { count: '2', n: '2' }, '{seed}.png')).toEqual(['--n']);
    expect(issues({ prompt: 'a' }, { size: '64', width: '64' }, '{seed}.png')).toEqual(['--width']);
  });

  it('refuse text that is only partly a number', () => {
    for (const steps of ['', ' ', '3x', '0x10', '1e', 'Infinity', '--3']) {
      expect(issues({ prompt: 'a cat' }, { steps })).toEqual(['steps']);
    }
  });

  it('refuse two images of one name', () => {
    expect(issues({ prompt: 'a cat' }, { count: '2' }, 'cat.png')).toEqual(['--output']);
    expect(issues({ prompt: 'a cat' }, { seeds: '1,1' }, '{seed}.png')).toEqual(['--output']);
    expect(issues({ prompt: 'a cat' }, { seeds: '1,1' }, '{seed}-{index}.png')).toEqual([]);
  });
});

describe('the tasks of a batch', () => {
  it('take the flags as defaults and count images through', () => {
    const source = batch({ prompt: 'a cat', n: 2 }, ' \t', { prompt: 'a dog', steps: 5, output: 'dog.webp' });
    const made = tasks(source, { steps: '10' }, '{index}.png');
    expect(made.map(({ line, request, images }) => [line, request.steps, images.map(({ path }) => path)])).toEqual([
      [1, 10, ['0.png', '1.png']],
      [3, 5, ['dog.webp']],
    ]);
    expect(made[1]?.naming.format).toBe('webp');
  });

  it('take their keys in the spelling of the flags', () => {
    const [one] = tasks(
      batch({ prompt: 'a', count: 2, guidance: 3, negative: 'b', size: '64x72', format: 'webp' }),
      {},
      '{seed}',
    );
    for (const keys of [
      { 'negative-prompt': 'b', guidance_scale: 3, n: 2, width: 64, height: 72 },
      { negativePrompt: 'b', guidanceScale: 3, count: 2, size: '64x72' },
    ]) {
      expect(tasks(batch({ prompt: 'a', ...keys, format: 'webp' }), {}, '{seed}')).toEqual([one]);
    }
    expect(one?.images.map(({ path }) => path)).toEqual(['0.webp', '1.webp']);
    expect(seeds(batch({ prompt: 'a', seeds: '1-3' }))).toEqual([[1, 2, 3]]);
  });

  it('tell one mistake of a line once, by the key that is there', () => {
    const told = (line: object) => issues(batch({ prompt: 'a', ...line }));
    expect(told({ size: '7x7' })).toEqual(['line 1: size']);
    expect(told({ size: 'big' })).toEqual(['line 1: size']);
    expect(told({ guidance: 'x' })).toEqual(['line 1: guidance']);
    expect(told({ seeds: '5-1' })).toEqual(['line 1: seeds']);
    expect(told({ n: 2, count: 2 })).toEqual(['line 1: count']);
    expect(told({ cfg: 2 })).toEqual(['line 1: cfg']);
    expect(told({ signal: 2, format: 3 })).toEqual(['line 1: format']);
    expect(told({ signal: 2 })).toEqual(['line 1: signal']);
  });

  it('always have seeds that a second run has too', () => {
    expect(seeds(batch({ prompt: 'a' }, { prompt: 'b', n: 2 }))).toEqual([[0], [0, 1]]);
    expect(seeds(batch({ prompt: 'a' }, { prompt: 'b', seed: 5 }), { seed: '3' })).toEqual([[3], [5]]);
    expect(seeds(batch({ prompt: 'a' }, { prompt: 'b', seeds: [9] }), { seed: '3', count: '2' })).toEqual([
      [3, 4],
      [9],
    ]);
    expect(seeds(batch({ prompt: 'a' }, { prompt: 'b', seed: 5 }), { seeds: '1,2' })).toEqual([[1, 2], [5]]);
    expect(seeds(batch({ prompt: 'a' }, { prompt: 'b', n: 2 }), { seeds: '5,6' })).toEqual([
      [5, 6],
      [0, 1],
    ]);
  });

  it('tell the bad lines by number, all of them, and a bad flag once', () => {
    const source = batch(
      '{"prompt": ',
      { prompt: 'a', stpes: 3 },
      { prompt: 'b' },
      '[1]',
      { steps: 3 },
      { prompt: 'c', output: 4 },
    );
    expect(issues(source, { guidance: 'x' })).toEqual([
      'guidanceScale',
      'line 1',
      'line 2: stpes',
      'line 4',
      'line 5: prompt',
      'line 6: output',
    ]);
  });

  it('tell mistakes in the order of the lines, and show the line that is no JSON', () => {
    const bad = Array.from({ length: 11 }, (_, index) =>
      index % 2 === 0 ? { prompt: `${index}`, cfg: 1 } : '  [1]  ',
    );
    expect(issues(batch(...bad))).toEqual(
      bad.map((line, index) => `line ${index + 1}${typeof line === 'string' ? '' : ': cfg'}`),
    );
    const { issues: told } = attempt(() => tasks(batch('  [1]  '))) as Refused;
    expect(told).toEqual([expect.objectContaining({ received: '"[1]"' })]);
  });

  it('tell the name that a line gives its own images by its line, and one of the flags once', () => {
    expect(issues(batch({ prompt: 'a', output: 'x.gif' }, { prompt: 'b' }))).toEqual(['line 1: --output']);
    expect(issues(batch({ prompt: 'a' }, { prompt: 'b' }), {}, 'x.gif')).toEqual(['--output']);
  });

  it('name the nearest key in the spelling of the flags', () => {
    const { issues: told } = attempt(() => tasks(batch({ prompt: 'a', gudance: 3 }))) as Refused;
    expect(told).toEqual([expect.objectContaining({ problem: expect.stringContaining('"guidance"') })]);
  });

  it('refuse lines that write the same file', () => {
    expect(issues(batch({ prompt: 'a' }, { prompt: 'a' }))).toEqual(['--output']);
    expect(issues(batch({ prompt: 'a' }, { prompt: 'b' }))).toEqual([]);
  });

  it('are at least one', () => {
    expect(issues({ batch: '\n\n' })).toEqual(['--batch']);
  });
});

describe('what is wrong beside options', () => {
  it.each([new Error('a bug'), new T2IError('IO_FAILED', 'no disk')])('is no mistake of a line: %s', (error) => {
    const fail = () => {
      throw error;
    };
    expect(() => attempt(fail)).toThrow(error);
  });
});
