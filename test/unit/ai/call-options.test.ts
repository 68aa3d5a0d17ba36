import type { ImageModelV3CallOptions } from '@ai-sdk/provider';
import { describe, expect, it } from 'vitest';
import { asCallFault, readCall } from '../../../src/ai/call-options.js';
import { T2IError } from '../../../src/errors.js';

/** What the AI SDK asks for where a program names a prompt alone. */
const CALL: ImageModelV3CallOptions = {
  prompt: 'a cat',
  n: 1,
  size: undefined,
  aspectRatio: undefined,
  seed: undefined,
  files: undefined,
  mask: undefined,
  providerOptions: {},
};
const read = (call: Partial<ImageModelV3CallOptions>) => readCall({ ...CALL, ...call });
/** Every mistake of a call. */
function mistakes(call: object): string[] {
  try {
    read(call);
  } catch (error) {
    if (!T2IError.is(error) || error.code !== 'OPTION_INVALID') throw error;
    return error.issues.map(({ option, expected, received }) => `${option}: ${expected}, not ${received}`);
  }
  return [];
}

describe('a call of the AI SDK', () => {
  it('asks for what it names, and for nothing else', () => {
    expect(read({})).toEqual({ options: { prompt: 'a cat', n: 1 }, warnings: [] });
    expect(read({ providerOptions: undefined as never })).toEqual({ options: { prompt: 'a cat', n: 1 }, warnings: [] });
    const providerOptions = { t2i: { steps: 8, sampler: 'euler' }, other: { steps: 9 } };
    expect(read({ n: 3, size: '128x64', seed: 0, providerOptions }).options).toEqual({
      prompt: 'a cat',
      n: 3,
      width: 128,
      height: 64,
      seed: 0,
      steps: 8,
      sampler: 'euler',
    });
  });

  it.each(['128', 'x128', '128x', '128x128px', ' 128x128', '-1x8', ''])('has no size of %j', (size) => {
    expect(mistakes({ size })).toEqual([`size: WIDTHxHEIGHT, such as 128x128, not ${JSON.stringify(size)}`]);
  });

  it('is refused with all its mistakes at once', () => {
    expect(mistakes({ prompt: undefined, size: 'large', providerOptions: { t2i: { step: 8, prompt: 'b' } } })).toEqual([
      'prompt: text, not nothing',
      'size: WIDTHxHEIGHT, such as 128x128, not "large"',
      expect.stringMatching(/^providerOptions\.t2i\.step: one of steps, .*, eta, not an unknown option$/),
      expect.stringMatching(/^providerOptions\.t2i\.prompt: /),
    ]);
    expect(mistakes({ providerOptions: { t2i: 'fast' } })).toEqual(['providerOptions.t2i: an object, not "fast"']);
    expect(mistakes({ providerOptions: { t2i: ['fast'] } })).toEqual([
      'providerOptions.t2i: an object, not a list of 1',
    ]);
  });

  it('is warned of each thing that cannot be done', () => {
    const file = { type: 'url', url: 'https://example.org/a.png' } as const;
    const unsupported = (feature: string, details: string) => ({ type: 'unsupported', feature, details });
    expect(read({ files: [] }).warnings).toEqual([]);
    expect(read({ aspectRatio: '1:1', files: [file], mask: file }).warnings).toEqual([
      unsupported('aspectRatio', 'Ask for a size, such as 128x128.'),
      unsupported('files', 'Images are made from text alone.'),
      unsupported('mask', 'Images are made from text alone.'),
    ]);
  });
});

describe('an error over the options of a call', () => {
  const issue = (option: string) => ({ option, expected: 'one', received: 'two' });

  it('names them as the call does', () => {
    const issues = ['width', 'height', 'steps', 'prompt'].map(issue);
    const error = new T2IError('OPTION_INVALID', 'wrong', { issues, hint: 'Try another.' });
    const named = asCallFault(error) as T2IError;
    const options = ['size (width)', 'size (height)', 'providerOptions.t2i.steps', 'prompt'];
    expect(named.issues).toEqual(options.map(issue));
    expect(named).toMatchObject({ code: 'OPTION_INVALID', hint: 'Try another.', cause: error });
    for (const option of options) expect(named.message).toContain(`${option}: expected one, received two`);
  });

  it('is itself where it is another', () => {
    for (const error of [new Error('a bug'), new T2IError('CLOSED', 'closed', { issues: [issue('width')] })]) {
      expect(asCallFault(error)).toBe(error);
    }
  });
});
