import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { checkServerOptions, type ServerOptions } from '../../../src/server/options.js';
import { memoryPipeline } from '../../support/memory-session.js';

const KEY = 'a-key-that-is-long-enough';
const { pipeline } = memoryPipeline();
const DAY = 24 * 3600 * 1000;

/** The names of the options that are refused. */
function refused(options: unknown): string[] {
  return issuesOf(options).map(({ option }) => option);
}

function issuesOf(options: unknown): T2IError['issues'] {
  try {
    checkServerOptions(options as ServerOptions);
    return [];
  } catch (error) {
    if (!T2IError.is(error) || error.code !== 'OPTION_INVALID') throw error;
    return error.issues;
  }
}

describe('the options of a server', () => {
  it('may all be left out', () => {
    expect(refused({})).toEqual([]);
    expect(refused({ models: undefined, limits: undefined, imageStore: undefined, redis: undefined })).toEqual([]);
  });

  it.each<[keyof ServerOptions, readonly unknown[], readonly unknown[]]>([
    [
      'models',
      [['a'], [{ id: 'a', model: 'b' }], [{ pipeline }], [{ id: 'a', pipeline }]],
      ['a', [''], [5], ['a', null], [{}], [{ id: 'a' }], [{ model: 'a' }], [{ id: 5, model: 'a' }], [{ pipeline: 5 }]],
    ],
    ['models', [], [[{ id: 'a', model: '' }], [{ id: 5, pipeline }], ['a'.repeat(4097)]]],
    // Neither is known what was meant.
    [
      'models',
      [],
      [{}, { model: {} }, { stream() {} }, { model: 5, stream() {} }].map((other) => [{ pipeline: other }]),
    ],
    ['models', [], [[{ pipeline: {} }], [{ id: 'a', model: 'b', pipeline }], [{ id: 'a', model: 'b', size: 5 }]]],
    ['load', [{}, { backend: 'auto' }], [[], 'auto']],
    ['memory', [1, Number.MAX_SAFE_INTEGER], [0, 1.5, '1']],
    ['preload', [true, false], [1, 'yes']],
    ['apiKeys', [[KEY], [`sha256:${'0'.repeat(64)}`]], [KEY, [5], [KEY, 5]]],
    ['queue', [1, 100_000], [0, 100_001]],
    ['queuePerKey', [1, 100_000], [0, 100_001]],
    ['batchWindow', [0, 2.5, 1000], [-1, 1001, '5']],
    ['batchImages', [1, 100], [0, 101]],
    ['limits', [{}], [[], 5]],
    ['imageStore', [{ dir: 'images', ttl: 1000 }], ['images', []]],
    ['redis', [{ url: 'redis://host:6379/0' }], ['redis://host']],
    ['cors', [[], ['https://example.org', 'http://[::1]:8080']], ['https://example.org', ['*'], ['https://a/'], [5]]],
    [
      'cors',
      [],
      [
        ['https://A.org'],
        ['https://a.org:443'],
        ['https://*.a.org'],
        ['x https://a'],
        ['ftp://a'],
        ['null'],
        ['https://a b'],
      ],
    ],
    ['hosts', [[], ['localhost', '127.0.0.1', '[::1]', 'a-b.example']], ['localhost', [5], ['']]],
    ['hosts', [], [['a/b'], ['Localhost'], ['localhost:8080'], ['::1'], ['a b']]],
    ['log', [process.stderr, { write: () => {} }], ['out', {}, { write: true }]],
    ['logPrompts', [true, false], ['no']],
  ])('have bounds: %s', (name, good, bad) => {
    for (const value of good) expect(refused({ [name]: value }), JSON.stringify(value)).toEqual([]);
    for (const value of bad) expect(refused({ [name]: value }), JSON.stringify(value)).toEqual([name]);
  });

  it.each([
    ['load', 'threads', 1, 1024],
    ['load', 'device', 0, 255],
    ['limits', 'images', 1, 100],
    ['limits', 'side', 1, 4096],
    ['limits', 'steps', 1, 1000],
    ['limits', 'bodyBytes', 1000, 2 ** 30],
    ['limits', 'timeout', 1000, DAY],
    ['redis', 'lock', 500, 600_000],
    ['imageStore', 'ttl', 1000, 30 * DAY],
    ['imageStore', 'maxBytes', 1, Number.MAX_SAFE_INTEGER],
  ])('have bounds inside: %s.%s', (group, name, least, most) => {
    const rest = { load: {}, limits: {}, redis: { url: 'redis://host' }, imageStore: { dir: 'images', ttl: 1000 } };
    const having = (value: unknown) => refused({ [group]: { ...rest[group as keyof typeof rest], [name]: value } });
    expect([having(least), having(most), having(undefined)].flat()).toEqual(name === 'ttl' ? ['imageStore.ttl'] : []);
    for (const value of [least - 1, most + 1, `${least}`]) expect(having(value)).toEqual([`${group}.${name}`]);
  });

  it('are told with every mistake at once, and the name that was probably meant', () => {
    const issues = issuesOf({ modles: [], queue: 0, limits: { image: 5, steps: 0 }, redis: { url: 5, draws: 1 } });
    expect(issues.map(({ option }) => option)).toEqual([
      ...['modles', 'queue', 'redis.draws', 'redis.url', 'limits.image', 'limits.steps'],
    ]);
    expect(issues[0]?.problem).toMatch(/did you mean "?models/i);
    expect(issues[4]?.problem).toMatch(/did you mean "?images/i);
  });

  it('say what of how models are opened is wrong, as Pipeline.load does', () => {
    const load = { backend: 'cuda', isolation: 'all', strict: 1, python: '', maxQueue: 5, onProgress: () => {} };
    const names = ['backend', 'isolation', 'strict', 'python', 'maxQueue', 'onProgress'];
    expect(refused({ load })).toEqual(names.map((name) => `load.${name}`));
    expect(issuesOf({ load })[0]?.expected).toBe('one of auto, tensorrt, onnxruntime, pytorch');
  });

  it('show what of a list is wrong', () => {
    const wrong = { models: ['a', ''], cors: ['https://a.org', '*', 'https://a.org/'], hosts: ['Localhost'] };
    expect(issuesOf(wrong).map(({ option, received }) => [option, received])).toEqual([
      ['models', '""'],
      ['cors', '"*"'],
      ['cors', '"https://a.org/"'],
      ['hosts', '"Localhost"'],
    ]);
  });

  it('quote neither the address of a Redis nor a key', () => {
    const issues = issuesOf({ redis: { url: 'http://user:secret@host' }, apiKeys: ['secret', KEY, 'b c'.repeat(9)] });
    expect(issues.map(({ option }) => option)).toEqual(['redis.url', 'key 1', 'key 3']);
    expect(JSON.stringify(issues)).not.toMatch(/secret|b c/);
    expect(JSON.stringify(issuesOf({ apiKeys: [KEY, 31415926] }))).not.toContain('31415926');
  });

  it('name one model and one key at least, where they name any', () => {
    expect(() => checkServerOptions({ models: [] })).toThrow(
      expect.objectContaining({
        code: 'OPTION_INVALID',
        message: 'models: expected at least one model, received none',
      }),
    );
    expect(issuesOf({ apiKeys: [] })).toEqual([{ option: 'apiKeys', expected: 'at least one key', received: 'none' }]);
  });

  it('are an object', () => {
    expect(refused(null)).toEqual(['options']);
    expect(refused([])).toEqual(['options']);
  });
});

describe('an image store', () => {
  const place = { s3: 's3://pictures/served', ttl: 1000 };

  it.each<[object, readonly string[]]>([
    [{ dir: 'images', ttl: 1000, maxBytes: 5 }, []],
    [place, []],
    [{}, ['dir', 'ttl']],
    [{ ttl: 1000 }, ['dir']],
    [{ dir: 'images' }, ['ttl']],
    [{ s3: place.s3 }, ['ttl']],
    [{ ...place, dir: 'images' }, ['s3']],
    [{ ...place, maxBytes: 5 }, ['maxBytes']],
    [{ ...place, s3: 's3://pictures' }, ['s3']],
    [{ ...place, s3: 5 }, ['s3']],
    [{ dir: '', ttl: 1000 }, ['dir']],
    [{ dir: 'images', ttl: 1000, bytes: 5 }, ['bytes']],
  ])('is a folder or a place in S3, with a time: %j', (imageStore, names) => {
    expect(refused({ imageStore })).toEqual(names.map((name) => `imageStore.${name}`));
  });

  it('says what of it is too much', () => {
    const [both] = issuesOf({ imageStore: { ...place, dir: 'images' } });
    expect(both).toMatchObject({ expected: expect.stringContaining('dir'), received: '"s3://pictures/served"' });
    const [bound] = issuesOf({ imageStore: { ...place, maxBytes: 5 } });
    expect(bound).toMatchObject({ expected: expect.stringContaining('s3'), received: '5' });
    const [none] = issuesOf({ imageStore: { ttl: 1000 } });
    expect(none).toMatchObject({ expected: expect.stringContaining('s3'), received: 'nothing' });
  });
});
