import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeImage } from '../../../src/image/encode.js';
import { IMAGE_FORMATS } from '../../../src/image/formats.js';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { hashArrays, hashModel, parseReceipt, type Receipt, serializeReceipt } from '../../../src/image/receipt.js';
import { gradient, receiptOf } from '../../support/receipts.js';

const HARD_PROMPTS = [
  'plain',
  'two\nlines\r\nand a tab\t',
  '<b>&amp; "quotes" \'apostrophes\' ]]> --> <?xpacket end="w"?>',
  '</t2i:receipt><t2i:receipt>{}',
  '日本語 ☕ 👩‍👩‍👧 ❤️ naïve',
  'lone \ud800 and \udfff surrogates',
  '\u0001\u001b\u007f\u0085\u2028\ufffe\uffff\ufeff',
  '&quot;&#34;&apos;',
  '',
];

const ZEROS = '0'.repeat(64);

describe('a receipt', () => {
  it.each(IMAGE_FORMATS)('survives every prompt in %s', async (format) => {
    for (const prompt of HARD_PROMPTS) {
      const receipt = receiptOf({ prompt, negativePrompt: [...prompt].reverse().join('') });
      expect(await readReceipt(await encodeImage(gradient(), receipt, { format }))).toEqual(receipt);
    }
  });

  it('survives any text as ASCII that XML leaves alone', () => {
    // Code units, not characters: lone surrogates come up often.
    const text = fc.array(fc.integer({ min: 1, max: 0xffff })).map((units) => String.fromCharCode(...units));
    fc.assert(
      fc.property(text, fc.double({ min: 0, max: 1000, noNaN: true }), (prompt, scale) => {
        const receipt = receiptOf({ prompt, guidanceScale: scale + 0 });
        const json = serializeReceipt(receipt);
        expect(json).toMatch(/^[\x20-\x7e]*$/);
        expect(json).not.toMatch(/[<>&]/);
        expect(parseReceipt(json)).toEqual(receipt);
      }),
    );
  });

  it('names the engines that ran, or none, as those of before did', async () => {
    const sha256 = hashArrays(new Uint8Array([2]));
    const engines = { textEncoder: sha256, unet: sha256, vaeDecoder: sha256 };
    const precisions = { textEncoder: 'fp16', unet: 'fp16', vaeDecoder: 'bf16' };
    const receipt = receiptOf({ backend: { name: 'tensorrt', runtime: 'tensorrt 10.15.1', engines, precisions } });
    expect(parseReceipt(serializeReceipt(receipt))).toEqual(receipt);
    expect(parseReceipt(serializeReceipt(receiptOf())).backend).not.toHaveProperty('engines');
  });

  it.each<Partial<Receipt>>([
    { seed: 0, width: 1, height: 1, guidanceScale: 0, prompt: '', negativePrompt: '' },
    { seed: 2 ** 53 - 1, width: 65_535, height: 65_535, guidanceScale: 1000, prompt: 'a'.repeat(10_000) },
    { backend: { name: 'b', runtime: 'r', engines: Object.fromEntries(Array.from('0123456789', (i) => [i, ZEROS])) } },
    { plan: { ...receiptOf().plan, eta: 0, steps: 1 } },
    { plan: { ...receiptOf().plan, eta: 1, steps: 1_000_000 } },
  ])('may reach the bounds of its numbers and texts (%#)', (fields) => {
    expect(parseReceipt(serializeReceipt(receiptOf(fields)))).toEqual(receiptOf(fields));
  });

  it('keeps the largest seed and the numbers bit by bit', () => {
    const receipt = receiptOf({ seed: Number.MAX_SAFE_INTEGER, guidanceScale: 0.1 + 0.2 });
    expect(parseReceipt(serializeReceipt(receipt))).toEqual(receipt);
  });
});

describe('a receipt that was tampered with', () => {
  const change = (edit: (receipt: Record<string, unknown>) => void) => {
    const receipt = structuredClone(receiptOf()) as unknown as Record<string, unknown>;
    edit(receipt);
    return JSON.stringify(receipt);
  };
  const plan = (fields: Partial<Record<keyof Receipt['plan'], unknown>>) =>
    change((receipt) => Object.assign(receipt.plan as object, fields));

  it.each([
    ['no JSON', '{"version": 1', []],
    ['a number', '7', ['options']],
    ['null', 'null', ['options']],
    ['a list', '[]', ['options']],
    ['deep nesting', '['.repeat(500_000), []],
    [
      'another version, whatever else is new in it',
      change((receipt) => Object.assign(receipt, { version: 2, note: 'x' })),
      ['version'],
    ],
    ['an unknown field', change((receipt) => Object.assign(receipt, { note: 'x' })), ['note']],
    ['__proto__', '{"version":1,"__proto__":{"prompt":"x"}}', expect.arrayContaining(['__proto__', 'prompt'])],
    [
      'fields without end',
      JSON.stringify({ ...receiptOf(), ...Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`f${i}`, i])) }),
      ['receipt'],
    ],
    [
      'fields without end in one of them',
      plan(Object.fromEntries(Array.from({ length: 51 }, (_, i) => [i, i]))),
      ['plan'],
    ],
    [
      'as many as are told by their names',
      plan(
        Object.fromEntries(Array.from({ length: 50 - Object.keys(receiptOf().plan).length }, (_, i) => [`f${i}`, i])),
      ),
      Array.from({ length: 50 - Object.keys(receiptOf().plan).length }, (_, i) => `plan.f${i}`),
    ],
    ['a missing field', change((receipt) => delete receipt.seed), ['seed']],
    ['two bad fields', change((receipt) => Object.assign(receipt, { seed: -1, width: 1.5 })), ['seed', 'width']],
    ['a seed as text', change((receipt) => Object.assign(receipt, { seed: '7' })), ['seed']],
    ['NUL in the prompt', change((receipt) => Object.assign(receipt, { prompt: 'a\0' })), ['prompt']],
    ['an endless prompt', change((receipt) => Object.assign(receipt, { prompt: 'a'.repeat(10_001) })), ['prompt']],
    ['a hash that is none', change((receipt) => Object.assign(receipt, { rgbSha256: 'abc' })), ['rgbSha256']],
    [
      'a hash in a list',
      change((receipt) => Object.assign(receipt, { rgbSha256: [receipt.rgbSha256] })),
      ['rgbSha256'],
    ],
    ...[
      { a: ZEROS, b: 'abc' },
      { a: ZEROS, '': ZEROS },
    ].map((hashes): [string, string, string[]] => [
      `hashes of which one is none, ${Object.keys(hashes)}`,
      change((receipt) => Object.assign(receipt.model as object, { hashes })),
      ['model.hashes'],
    ]),
    [
      'hashes that are none',
      change((receipt) => Object.assign(receipt.model as object, { hashes: { a: 1 } })),
      ['model.hashes'],
    ],
    ...[
      7,
      'x',
      ['x'],
      null,
      { unet: 'abc' },
      Object.fromEntries(
        Array(11)
          .fill(0)
          .map((_, i) => [i, '0'.repeat(64)]),
      ),
    ].map((engines): [string, string, string[]] => [
      `engines that are none, ${JSON.stringify(engines).slice(0, 20)}`,
      change((receipt) => Object.assign(receipt.backend as object, { engines })),
      ['backend.engines'],
    ]),
    ...[7, ['x'], null, { unet: 16 }, { unet: '' }].map((precisions): [string, string, string[]] => [
      `precisions that are none, ${JSON.stringify(precisions)}`,
      change((receipt) => Object.assign(receipt.backend as object, { precisions })),
      ['backend.precisions'],
    ]),
    ...(
      [
        ['seed', [-1, 2 ** 53]],
        ['width', [0, 65_536]],
        ['height', [0, 65_536]],
        ['guidanceScale', [-0.1, 1000.1]],
      ] as const
    ).flatMap(([field, values]) =>
      values.map((value): [string, string, string[]] => [
        `a ${field} of ${value}`,
        change((receipt) => Object.assign(receipt, { [field]: value })),
        [field],
      ]),
    ),
    ['bad steps and eta', plan({ eta: 2, steps: 0 }), ['plan.eta', 'plan.steps']],
    ['other sigmas', plan({ sigmas: 'beta' }), ['plan.sigmas']],
    ['another schedule', plan({ schedule: 'beta' }), ['plan.schedule']],
    ['a file named __proto__', JSON.stringify(receiptOf()).replace('unet/model.onnx', '__proto__'), ['model.hashes']],
  ])('is refused with %s', (_, json, options) => {
    try {
      parseReceipt(json);
    } catch (error) {
      expect(error).toMatchObject({ code: 'RECEIPT_INVALID' });
      expect((error as { issues: { option: string }[] }).issues.map(({ option }) => option)).toEqual(options);
      return;
    }
    expect.unreachable('it was accepted');
  });
});

describe('hashes', () => {
  it('are those of the bytes that an array shows, not of its whole buffer', () => {
    const floats = new Float32Array([9, 1, 2, 9]);
    expect(hashArrays(floats.subarray(1, 3))).toBe(hashArrays(Float32Array.of(1, 2)));
    expect(hashArrays(Float32Array.of(1), Float32Array.of(2))).toBe(hashArrays(Float32Array.of(1, 2)));
    expect(hashArrays(Uint8Array.of())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  it('of a model do not depend on the order of its files, but on their names and contents', () => {
    expect(hashModel({ a: '1', b: '2' })).toBe(hashModel({ b: '2', a: '1' }));
    expect(hashModel({ a: '1', b: '2' })).not.toBe(hashModel({ a: '2', b: '1' }));
  });
});
