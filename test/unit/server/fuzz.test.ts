import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const ROUTES = [
  ...['/v1/images/generations', '/v1/jobs', '/sdapi/v1/txt2img', '/sdapi/v1/options', '/invocations'],
  ...['/predictions/formula', '/v2/models/formula/infer'],
];
/** Names of fields, so that bodies are not refused for their names alone. */
const FIELDS = [
  ...['prompt', 'model', 'n', 'size', 'seed', 'seeds', 'steps', 'guidance_scale', 'sampler', 'preset', 'stream'],
  ...['negative_prompt', 'output_format', 'partial_images', 'previews', 'cfg_scale', 'width', 'batch_size', 'inputs'],
  ...[
    'override_settings',
    'sd_model_checkpoint',
    'parameters',
    'outputs',
    'scheduler',
    'eta',
    'sigmas',
    '__proto__',
    'constructor',
  ],
];

const value = fc.oneof(
  fc.json().map((text) => JSON.parse(text)),
  fc.integer(),
  fc.double(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    null,
    true,
    '',
    '16x16',
    'formula',
    'ddim',
    'lcm',
    1,
    2,
    -1,
    Number.MAX_VALUE,
    2 ** 53,
    '\u0000',
    '\ud800',
  ),
);
const body = fc.oneof(
  { weight: 5, arbitrary: fc.dictionary(fc.oneof(fc.constantFrom(...FIELDS), fc.string()), value, { maxKeys: 8 }) },
  { weight: 1, arbitrary: value },
);

/** How zod words what a schema does not. */
const NOT_OURS = /Invalid |Too (big|small)|Unrecognized/;

describe('any JSON', () => {
  it.each(ROUTES)('sent to %s is answered, and never by a failure', { timeout: 120_000 }, async (path) => {
    const model = memoryModel('formula');
    const server = await memoryServer({ limits: { steps: 30, side: 32, images: 2 } }, { models: [model] });
    await fc.assert(
      fc.asyncProperty(body, async (json) => {
        const { status, body } = await server.post(path, json);
        expect([200, 202, 400, 404, 429]).toContain(status);
        if (status === 400) expect(JSON.stringify(body)).not.toMatch(NOT_OURS);
      }),
      { numRuns: 300 },
    );
    await server.queue.drain();
    for (const { seeds } of model.sessions.flatMap(({ jobs }) => jobs)) expect(seeds.length).toBeLessThanOrEqual(8);
  });

  it('finds no model by another name than its own', async () => {
    const server = await memoryServer();
    const names = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '../formula',
        './formula',
        'formula/',
        'FORMULA',
        'formula\u0000',
        'formula.',
        'c:formula',
        '\\\\x\\formula',
      ),
      fc.webPath(),
      fc.webUrl(),
    );
    fc.assert(
      fc.property(names, (name) => {
        fc.pre(name !== 'formula');
        expect(() => server.service.models.find(name)).toThrowError(
          expect.objectContaining({ code: 'model_not_found' }),
        );
      }),
      { numRuns: 10_000 },
    );
  });
});
