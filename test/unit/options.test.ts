import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeIssue, T2IError } from '../../src/errors.js';
import { parseLoadOptions, parseRequest, type RequestLimits, type RequestOptions } from '../../src/options.js';
import { LIMITS } from '../support/request-limits.js';

const limits: RequestLimits = {
  ...LIMITS,
  samplers: { ...LIMITS.samplers, lcm: { eta: false, karras: false, maxSteps: 50 } },
};

const parse = (options: object, changed: Partial<RequestLimits> = {}) =>
  parseRequest({ prompt: 'a cat', ...options } as RequestOptions, { ...limits, ...changed });

/** The issues of a refused request as `option: expected, received`; empty where it is accepted. */
function mistakes(options: unknown, changed: Partial<RequestLimits> = {}): string[] {
  try {
    parseRequest(options as RequestOptions, { ...limits, ...changed });
    return [];
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    expect(error.code).toBe('OPTION_INVALID');
    for (const issue of error.issues) expect(error.message).toContain(describeIssue(issue));
    return error.issues.map(
      ({ option, expected, received, problem }) => `${option}: ${problem ?? `${expected}, ${received}`}`,
    );
  }
}
const mistake = (options: object, changed: Partial<RequestLimits> = {}) =>
  mistakes({ prompt: 'a cat', ...options }, changed);

describe('a preset', () => {
  const presets = { fast: { steps: 8, sampler: 'euler', guidanceScale: 2 }, strong: { guidanceScale: 12 } };

  it('comes before the defaults, and what the request says before the preset', () => {
    expect(parse({ preset: 'fast' }, { presets })).toMatchObject({ steps: 8, sampler: 'euler', guidanceScale: 2 });
    expect(parse({ preset: 'strong' }, { presets })).toMatchObject({ steps: 30, sampler: 'ddim', guidanceScale: 12 });
    const own = { steps: 5, sampler: 'ddim', guidanceScale: 1, eta: 0.5 };
    expect(parse({ preset: 'fast', ...own }, { presets })).toMatchObject(own);
  });

  it('that does not exist is refused with those that do', () => {
    for (const preset of ['fats', 'constructor', '__proto__', '', 8]) {
      expect(mistake({ preset }, { presets })).toEqual([
        `preset: a preset of this model: fast, strong, ${typeof preset === 'string' ? `"${preset}"` : preset}`,
      ]);
    }
    expect(mistake({ preset: 'fast' })).toEqual(['preset: nothing, since this model has no presets, "fast"']);
  });

  it('decides what the other options are checked against', () => {
    expect(mistake({ preset: 'fast', eta: 0.5 }, { presets })).toEqual([
      expect.stringMatching(/^eta: nothing with sampler euler/),
    ]);
  });
});

describe('a sampler', () => {
  const samplers = { ...limits.samplers, euler: { eta: false, karras: true, maxSteps: 1000, refusal: 'its sigmas' } };

  it('that the schedule does not let be used is refused with the reason', () => {
    expect(mistake({ sampler: 'euler' }, { samplers })).toEqual(['sampler: another one (its sigmas), "euler"']);
  });

  it('that stands in for the own one of the model is noted where nobody chose it', () => {
    const changed = { replacement: 'No X: ddim is used', presets: { p: { sampler: 'lcm' }, q: { steps: 3 } } };
    expect(parse({}, changed).replacement).toBe('No X: ddim is used');
    expect(parse({ preset: 'q' }, changed).replacement).toBe('No X: ddim is used');
    expect(parse({ sampler: 'ddim' }, changed).replacement).toBeUndefined();
    expect(parse({ preset: 'p' }, changed).replacement).toBeUndefined();
  });
});

describe('a request', () => {
  it('gets the defaults of the model', () => {
    expect(parse({ seed: 7 })).toEqual({
      prompt: 'a cat',
      negativePrompt: '',
      seeds: [7],
      steps: 30,
      guidanceScale: 7.5,
      sampler: 'ddim',
      sigmas: null,
      eta: 0,
      width: 128,
      height: 128,
      previewEvery: 0,
    });
  });

  it('keeps what it says', () => {
    const said = {
      negativePrompt: 'b',
      steps: 50,
      guidanceScale: 0,
      sampler: 'euler',
      sigmas: 'karras',
      width: 64,
      height: 4096,
    };
    expect(parse({ ...said, seeds: [3, 3, 0], preview: 5 })).toEqual({
      prompt: 'a cat',
      ...said,
      seeds: [3, 3, 0],
      eta: null,
      previewEvery: 5,
    });
  });

  it('takes every limit itself', () => {
    const all = {
      prompt: 'a'.repeat(10_000),
      seeds: new Array(100).fill(2 ** 53 - 1),
      steps: 1000,
      guidanceScale: 1000,
      eta: 1,
      width: 4096,
      height: 8,
    };
    expect(parse(all)).toMatchObject(all);
    expect(parse({ seed: 2 ** 53 - 2, n: 2 }).seeds).toEqual([2 ** 53 - 2, 2 ** 53 - 1]);
    expect(parse({ seed: 2 ** 53 - 1 }).seeds).toEqual([2 ** 53 - 1]);
  });

  it('takes undefined as left out', () => {
    const options = { n: undefined, seeds: undefined, eta: undefined, sampler: undefined, signal: undefined };
    expect(parse({ seed: 1, ...options })).toEqual(parse({ seed: 1 }));
  });

  it('takes fewer steps by default where the sampler cannot take so many', () => {
    expect(parse({}, { defaults: { steps: 200, guidanceScale: 1, sampler: 'lcm' } }).steps).toBe(50);
  });

  it('counts seeds up from the first', () => {
    expect(parse({ seed: 7, n: 3 }).seeds).toEqual([7, 8, 9]);
    expect(parse({ seed: 0 }).seeds).toEqual([0]);
    expect(Object.is(parse({ seed: -0 }).seeds[0], 0)).toBe(true);
    expect(Object.is(parse({ seeds: [-0] }).seeds[0], 0)).toBe(true);
    expect(parse({ seed: Number.MAX_SAFE_INTEGER }).seeds).toEqual([2 ** 53 - 1]);
    expect(parse({ seeds: [1, 5], n: 2 }).seeds).toEqual([1, 5]);
  });

  it('takes a random first seed where none is given', () => {
    const first = new Set(Array.from({ length: 20 }, () => parse({}).seeds[0]));
    expect(first.size).toBeGreaterThan(15);
    const [a, b] = parse({ n: 2 }).seeds as [number, number];
    expect(b).toBe(a + 1);
  });

  it.each([
    [true, 1],
    [false, 0],
    [4, 4],
  ])('shows previews for preview %s each %i steps', (preview, every) => {
    expect(parse({ preview }).previewEvery).toBe(every);
  });

  it('takes the only size of a static model', () => {
    const fixedSize = { width: 64, height: 32 };
    expect(parse({}, { fixedSize, nativeSize: fixedSize })).toMatchObject({ width: 64, height: 32 });
    expect(mistake({ width: 32 }, { fixedSize })).toEqual(['width: 64 (this model makes 64x32 images only), 32']);
  });
});

describe('a refused request', () => {
  it('says everything that is wrong with it at once', () => {
    const options = { steps: 0, guidanceScale: Number.NaN, seed: 1.5, width: 100, sampler: 'dim', promt: 'x' };
    expect(mistakes(options)).toEqual([
      'steps: an integer from 1 to 1000, 0',
      'guidanceScale: a number from 0 to 1000, NaN',
      'seed: an integer from 0 to 9007199254740991 (2^53 - 1), 1.5',
      'width: a multiple of 8 from 8 to 4096, 100',
      'sampler: one of ddim, euler, lcm, "dim"',
      'promt: unknown option; did you mean "prompt"?',
      'prompt: text, nothing',
    ]);
  });

  it.each(['constructor', '__proto__x', 'hasOwnProperty'])('is so for one unknown option, %s', (name) => {
    expect(mistake({ [name]: 1 })).toEqual([
      expect.stringContaining(`${name}: unknown option; expected one of prompt, `),
    ]);
  });

  it.each([[null], ['a cat'], [[]], [7], [undefined]])('is no object: %s', (options) => {
    expect(mistakes(options)).toEqual([expect.stringMatching(/^options: an object, /)]);
  });

  it.each<[object, string]>([
    [{ prompt: 'a\0b' }, 'prompt: text of at most 10000 characters without NUL, "a\\u0000b"'],
    [{ prompt: 'a'.repeat(10_001) }, `prompt: text of at most 10000 characters without NUL, "${'a'.repeat(60)}…"`],
    [{ prompt: 'a\0'.padEnd(60) }, `prompt: text of at most 10000 characters without NUL, "${'a\\u0000'.padEnd(65)}"`],
    [{ prompt: 7 }, 'prompt: text of at most 10000 characters without NUL, 7'],
    [{ negativePrompt: null }, 'negativePrompt: text of at most 10000 characters without NUL, null'],
    [{ seed: -1 }, 'seed: an integer from 0 to 9007199254740991 (2^53 - 1), -1'],
    [{ seed: 2 ** 53 }, 'seed: an integer from 0 to 9007199254740991 (2^53 - 1), 9007199254740992'],
    [{ seed: '7' }, 'seed: an integer from 0 to 9007199254740991 (2^53 - 1), "7"'],
    [{ seed: 7n }, 'seed: an integer from 0 to 9007199254740991 (2^53 - 1), 7'],
    [{ seed: 2 ** 53 - 1, n: 2 }, 'seed: at most 2^53 - 2, to count up 2 seeds, 9007199254740991'],
    [{ seeds: [] }, 'seeds: 1 to 100 seeds, each an integer from 0 to 9007199254740991 (2^53 - 1), a list of 0'],
    [{ seeds: [1, -1] }, 'seeds: 1 to 100 seeds, each an integer from 0 to 9007199254740991 (2^53 - 1), a list of 2'],
    [{ seeds: 7 }, 'seeds: 1 to 100 seeds, each an integer from 0 to 9007199254740991 (2^53 - 1), 7'],
    [
      { seeds: new Array(101).fill(1) },
      'seeds: 1 to 100 seeds, each an integer from 0 to 9007199254740991 (2^53 - 1), a list of 101',
    ],
    [{ seeds: [1], seed: 1 }, 'seed: either seed or seeds, both'],
    [{ seeds: [1, 2], n: 3 }, 'n: 2, the number of seeds, or nothing, 3'],
    [{ n: 0 }, 'n: an integer from 1 to 100, 0'],
    [{ n: 101 }, 'n: an integer from 1 to 100, 101'],
    [{ steps: 1001 }, 'steps: an integer from 1 to 1000, 1001'],
    [{ steps: 51, sampler: 'lcm' }, 'steps: an integer from 1 to 50 with sampler lcm, 51'],
    [{ steps: 2.5 }, 'steps: an integer from 1 to 1000, 2.5'],
    [{ guidanceScale: -0.1 }, 'guidanceScale: a number from 0 to 1000, -0.1'],
    [{ guidanceScale: Infinity }, 'guidanceScale: a number from 0 to 1000, Infinity'],
    [{ sampler: 'toString' }, 'sampler: one of ddim, euler, lcm, "toString"'],
    [{ eta: 1.1 }, 'eta: a number from 0 to 1, 1.1'],
    [{ eta: 0, sampler: 'euler' }, 'eta: nothing with sampler euler (eta is for ddim), 0'],
    [{ sigmas: 'karras' }, 'sigmas: nothing with sampler ddim (karras is for euler), karras'],
    [{ sigmas: 'beta', sampler: 'euler' }, 'sigmas: one of default, karras, "beta"'],
    [{ width: 0 }, 'width: a multiple of 8 from 8 to 4096, 0'],
    [{ height: 4104 }, 'height: a multiple of 8 from 8 to 4096, 4104'],
    [{ preview: 0 }, 'preview: true, false or an integer from 1 to 1000, 0'],
    [{ signal: {} }, 'signal: an AbortSignal, an object'],
    [{ onStep: true }, 'onStep: a function, true'],
    [{ steps: () => 3 }, 'steps: an integer from 1 to 1000, a function'],
    [{ eta: '1' }, 'eta: a number from 0 to 1, "1"'],
    [{ sampler: ['ddim'] }, 'sampler: one of ddim, euler, lcm, a list of 1'],
    [{ steps: Symbol('x') }, 'steps: an integer from 1 to 1000, Symbol(x)'],
    [{ steps: Object.create(null) }, 'steps: an integer from 1 to 1000, an object'],
  ])('with %o', (options, expected) => {
    expect(mistake(options)).toEqual([expected]);
  });

  it('never breaks anything, whatever it holds', () => {
    const names = fc.constantFrom(
      'prompt',
      'seed',
      'seeds',
      'n',
      'steps',
      'sampler',
      'eta',
      'sigmas',
      'width',
      'preview',
      'x',
    );
    fc.assert(
      fc.property(fc.dictionary(names, fc.anything({ withNullPrototype: true, withBigInt: true })), (options) => {
        mistakes(options);
      }),
    );
  });
});

describe('the options of a model', () => {
  it('are checked at once', () => {
    expect(parseLoadOptions({ model: './dir', backend: 'auto', threads: 2 })).toEqual({
      model: './dir',
      backend: 'auto',
      threads: 2,
    });
    expect(() => parseLoadOptions({ model: '', backend: 7, threads: 0, modle: 'x' } as never)).toThrow(
      'model: expected the path or name of a model, received ""; backend: expected the name of a backend or auto, received 7; ' +
        'threads: expected an integer from 1 to 1024, received 0; modle: unknown option; did you mean "model"?',
    );
  });

  it('are checked for a GPU too', () => {
    const options = {
      device: 1,
      isolation: 'process',
      strict: true,
      tensorrtLibDir: '/opt/tensorrt/lib',
      onProgress: () => {},
      signal: new AbortController().signal,
    } as const;
    expect(parseLoadOptions(options)).toEqual(options);
    const wrong = { device: -1, isolation: 'thread', strict: 1, tensorrtLibDir: '', onProgress: 'yes', signal: {} };
    try {
      parseLoadOptions(wrong as never);
    } catch (error) {
      expect((error as T2IError).issues.map(({ option }) => option)).toEqual(Object.keys(wrong));
      return;
    }
    expect.unreachable('they were accepted');
  });
});
