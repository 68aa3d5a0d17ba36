import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeParameters } from '../../../src/image/parameters.js';
import { hashModel, type Receipt } from '../../../src/image/receipt.js';
import { parseInfotext } from '../../support/infotext.js';
import { receiptOf } from '../../support/receipts.js';

const planned = (plan: Partial<Receipt['plan']>) => receiptOf({ plan: { ...receiptOf().plan, ...plan } });

describe('the parameters text', () => {
  it('has the form that Stable Diffusion programs read', () => {
    const receipt = receiptOf();
    const hash = hashModel(receipt.model.hashes).slice(0, 10);
    expect(writeParameters(receipt)).toBe(
      'a red apple\nNegative prompt: blurry\nSteps: 30, Sampler: Euler a, Schedule type: Uniform, CFG scale: 7.5, ' +
        `Seed: 7, Size: 24x16, Model hash: ${hash}, Model: tiny, RNG: CPU, Version: @t2i/sdk 0.1.0`,
    );
  });

  it('leaves out an empty negative prompt', () => {
    expect(writeParameters(receiptOf({ negativePrompt: '' }))).toMatch(/^a red apple\nSteps: /);
  });

  it.each<[string, Partial<Receipt['plan']>, string]>([
    ['the schedule that was asked for', { sigmas: 'karras', schedule: 'karras' }, 'Karras'],
    ['the schedule that the model chose', { sigmas: null, schedule: 'karras' }, 'Karras'],
    ['the schedule that was used, whatever was asked for', { sigmas: 'karras', schedule: 'default' }, 'Uniform'],
    ['the plain schedule', { sigmas: null, schedule: 'default' }, 'Uniform'],
    ['the request, where an old receipt says no more', { sigmas: 'karras' }, 'Karras'],
  ])('names %s', (_, plan, schedule) => {
    expect(parseInfotext(writeParameters(planned(plan))).settings.get('Schedule type')).toBe(schedule);
  });

  it('names the eta of DDIM as readers do', () => {
    expect(parseInfotext(writeParameters(planned({ sampler: 'ddim', eta: 0.5 }))).settings.get('Eta DDIM')).toBe('0.5');
  });

  it('keeps a name with separators in one field', () => {
    const { hashes } = receiptOf().model;
    const text = writeParameters(receiptOf({ model: { name: 'SD 1.5, pruned: v2', hashes } }));
    expect(text).toContain('Model: "SD 1.5, pruned: v2", RNG: CPU');
    expect([...parseInfotext(text).settings.keys()]).toHaveLength(10);
  });

  /** What a tokenizer makes of blanks: all readers and ours take them as one. */
  const squeezed = (text: string) => text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  const piece = fc.oneof(
    fc.constantFrom(
      'Negative prompt:',
      'Negative  prompt:',
      'Steps: 3, Sampler: x, Seed: 1, Size: 1x1',
      '\n',
      ' ',
      ',',
    ),
    fc.constantFrom('"', '\\', ':', '\t', '\r', '\u0085', '\u2028', 'Model: ', '"a, b"', '☕', 'a', 'Version: 1'),
    fc.string({ unit: 'binary' }),
  );
  const hard = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('').replaceAll('\0', ''));

  it('comes back from a reader of its grammar, whatever the prompts and names', () => {
    fc.assert(
      fc.property(
        hard,
        hard,
        hard.filter((name) => name !== ''),
        (prompt, negativePrompt, name) => {
          const receipt = receiptOf({ prompt, negativePrompt, model: { name, hashes: receiptOf().model.hashes } });
          const read = parseInfotext(writeParameters(receipt));
          expect(squeezed(read.prompt)).toBe(squeezed(prompt));
          expect(squeezed(read.negativePrompt)).toBe(squeezed(negativePrompt));
          expect(Object.fromEntries(read.settings)).toEqual({
            Steps: '30',
            Sampler: 'Euler a',
            'Schedule type': 'Uniform',
            'CFG scale': '7.5',
            Seed: '7',
            Size: '24x16',
            'Model hash': hashModel(receipt.model.hashes).slice(0, 10),
            Model: name,
            RNG: 'CPU',
            Version: '@t2i/sdk 0.1.0',
          });
        },
      ),
      { numRuns: 2000 },
    );
  });
});
