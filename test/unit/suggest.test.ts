import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.js';
import { didYouMean, nearestName } from '../../src/suggest.js';

const OPTIONS = ['prompt', 'negativePrompt', 'seed', 'seeds', 'n', 'steps', 'guidanceScale', 'sampler', 'eta', 'width'];
const FLAGS = [
  'output',
  'count',
  'seed',
  'seeds',
  'steps',
  'sampler',
  'guidance',
  'eta',
  'negative',
  'size',
  'model',
  'json',
];

describe('the name that was meant', () => {
  it.each([
    ['stpes', 'steps'],
    ['Steps', 'steps'],
    ['seedds', 'seeds'],
    ['promt', 'prompt'],
    ['guidance', 'guidanceScale'],
    ['guidance_scale', 'guidanceScale'],
    ['neg', 'negativePrompt'],
    ['cfg', 'guidanceScale'],
    ['cfg_scale', 'guidanceScale'],
    ['num_inference_steps', 'steps'],
    ['scheduler', 'sampler'],
    ['num_images_per_prompt', 'n'],
  ])('by %s is the option %s', (typed, meant) => {
    expect(nearestName(typed, OPTIONS)).toBe(meant);
  });

  it.each([
    ['cfg', 'guidance'],
    ['out', 'output'],
    ['num-inference-steps', 'steps'],
    ['batch-size', 'count'],
    ['jsno', 'json'],
    ['resolution', 'size'],
  ])('by --%s is the flag --%s', (typed, meant) => {
    expect(nearestName(typed, FLAGS)).toBe(meant);
  });

  it.each([
    ['generat', 'generate'],
    ['draw', 'generate'],
    ['verfiy', 'verify'],
    ['engine', 'engines'],
    ['build', 'build-engine'],
    ['doctors', 'doctor'],
  ])('by t2i %s is %s', (typed, meant) => {
    const names = COMMANDS.map(({ name }) => name);
    expect(nearestName(typed, names)).toBe(meant);
  });

  it.each([
    ['a name itself before one that begins with it', 'seed', ['seeds', 'seed'], 'seed'],
    ['two letters that a name begins with', 'st', ['steps', 'eta'], 'steps'],
    ['a slip in a name of four letters', 'sead', ['seed', 'eta'], 'seed'],
    ['no slip in one of three, which may be another word', 'eto', ['steps', 'width'], null],
    ['the longer of two names that it holds', 'mymodelsize', ['size', 'model'], 'model'],
    ['a name of four letters that it holds', 'imagesizehint', ['size'], 'size'],
    ['no name of three letters that it holds by chance', 'metadata', ['eta', 'json'], null],
    ['three slips in a long name', 'guidanxeskalo', ['guidanceScale', 'sampler'], 'guidanceScale'],
    ['not four', 'guizanxeskalo', ['guidanceScale', 'sampler'], null],
    ['not half of its letters', 'soup', ['sofa'], null],
    ['not what lies beyond 60 letters', `${'x'.repeat(60)}steps`, ['steps'], null],
    ['neighbours that changed places at the end', 'sampelr', ['sampler', 'simple'], 'sampler'],
  ])('by %s', (_, typed, names, meant) => {
    expect(nearestName(typed, names)).toBe(meant);
  });

  it('is none where there are no names', () => {
    expect(nearestName('steps', [])).toBeNull();
  });

  it.each(['x', 'zebra', 'banana', 'q', '', 'constructor', '__proto__', 'hires-fix', 'tiling', 'm'])(
    'by %j is none',
    (typed) => {
      expect(nearestName(typed, OPTIONS)).toBeNull();
      expect(nearestName(typed, FLAGS)).toBeNull();
    },
  );

  it('is told as a question, or all names are', () => {
    expect(didYouMean('stpes', OPTIONS)).toBe('; did you mean "steps"?');
    expect(didYouMean('zebra', ['a', 'b'])).toBe('; expected one of a, b');
  });
});
