import { appendFileSync, linkSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type EngineSource,
  engineSources as sourcesFor,
} from '../../../../../src/backends/tensorrt/engines/engine-source.js';
import { sourceHashes } from '../../../../../src/backends/tensorrt/engines/model-engines.js';
import type { ModelDescription, NetworkName } from '../../../../../src/model/description.js';
import { describeModel } from '../../../../../src/model/layout.js';
import { engineFolder, failure } from '../../../../support/engines.js';
import { type Files, SMALLEST, writeModel } from '../../../model/model-dir.js';
import {
  externalTensor,
  FLOAT,
  INT64,
  input,
  message,
  model,
  node,
  output,
  varint,
} from '../../../model/onnx-writer.js';

const FLOAT16 = 10;
const BFLOAT16 = 16;
const engineSources = (model: ModelDescription, network: NetworkName, capabilities = [89]) =>
  sourcesFor(model, network, capabilities);
const weights = externalTensor('w', [16], { location: 'model.weights' });
const decoder = (type: number, ...rest: Buffer[]) =>
  model([
    input('latent_sample', type, ['batch', 4, 'h', 'w']),
    output('sample', type, ['batch', 3, 'H', 'W']),
    ...rest,
  ]);

const HALVES: Files = {
  'vae_decoder/model.onnx': decoder(FLOAT, weights),
  'vae_decoder/model.fp16.onnx': decoder(FLOAT16, weights),
  'vae_decoder/model.weights': Buffer.alloc(64, 1),
  'text_encoder/model.fp16.onnx': SMALLEST['text_encoder/model.onnx'] as Buffer,
};
const described = (changes: Files = {}): Promise<ModelDescription> => describeModel(writeModel(changes));
const names = (sources: readonly EngineSource[]) => sources.map(({ file, precision }) => `${file} ${precision}`);

describe('what engines are built from', () => {
  it('is the graph in half precision where there is one; the decoder alone may go on to the other', async () => {
    const model = await described(HALVES);
    expect(names(await engineSources(model, 'vaeDecoder'))).toEqual(['model.fp16.onnx fp16', 'model.onnx fp32']);
    expect(names(await engineSources(model, 'textEncoder'))).toEqual(['model.fp16.onnx fp16']);
    expect(names(await engineSources(model, 'unet'))).toEqual(['model.onnx fp32']);
  });

  it('is the graph in bf16 after that, for GPUs that all have it', async () => {
    const model = await described({
      ...HALVES,
      'vae_decoder/model.bf16.onnx': decoder(BFLOAT16, weights),
      'unet/model.bf16.onnx': SMALLEST['unet/model.onnx'] as Buffer,
      'text_encoder/model.bf16.onnx': SMALLEST['text_encoder/model.onnx'] as Buffer,
    });
    const decoders = ['model.fp16.onnx fp16', 'model.bf16.onnx bf16', 'model.onnx fp32'];
    expect(names(await engineSources(model, 'vaeDecoder', [80, 89]))).toEqual(decoders);
    expect(names(await engineSources(model, 'unet'))).toEqual(['model.bf16.onnx bf16']);
    expect(names(await engineSources(model, 'textEncoder'))).toEqual(['model.fp16.onnx fp16']);
    const [half, full] = (await engineSources(model, 'vaeDecoder', [75, 89])) as [EngineSource, EngineSource];
    expect(names([half, full])).toEqual([decoders[0], decoders[2]]);
    expect([half, full].map(({ passedOver }) => passedOver)).toEqual([
      null,
      'model.bf16.onnx is passed over: compute capability 7.5 has no bf16',
    ]);
    // What a GPU of either kind is built from is not to be pruned.
    expect(await sourceHashes(model)).toHaveLength(6);
    const [latents] = (await engineSources(model, 'vaeDecoder'))[1]?.types ?? [];
    expect(latents).toEqual(['latent_sample', 'bfloat16']);
  });

  it.each([
    ['an input', decoder(BFLOAT16)],
    ['a stored tensor', decoder(FLOAT, externalTensor('w', [16], { location: 'model.weights' }, 5, BFLOAT16))],
    ['a cast', decoder(FLOAT, node('Cast', '', 1, message(5, message(1, 'to'), varint(3, BFLOAT16))))],
  ])('is known to compute in bf16 by %s', async (_, graph) => {
    const model = await described({
      'vae_decoder/model.fp16.onnx': graph,
      'vae_decoder/model.weights': Buffer.alloc(64),
    });
    expect(names(await engineSources(model, 'vaeDecoder'))[0]).toBe('model.fp16.onnx bf16');
  });

  it('is in half precision where model.onnx is written so', async () => {
    const model = await described({ 'vae_decoder/model.onnx': decoder(FLOAT16) });
    expect(names(await engineSources(model, 'vaeDecoder'))).toEqual(['model.onnx fp16']);
  });

  it('has a hash of graph and weights, their size, and the types of its tensors', async () => {
    const model = await described(HALVES);
    const [half, full] = (await engineSources(model, 'vaeDecoder')) as [EngineSource, EngineSource];
    expect(half.sha256).not.toBe(full.sha256);
    expect(half.bytes).toBe((HALVES['vae_decoder/model.fp16.onnx'] as Buffer).length + 64);
    expect([...half.types]).toEqual([
      ['latent_sample', 'float16'],
      ['sample', 'float16'],
    ]);
    const heavier = await described({ ...HALVES, 'vae_decoder/model.weights': Buffer.alloc(64, 2) });
    const [other] = (await engineSources(heavier, 'vaeDecoder')) as [EngineSource];
    expect(other.sha256).not.toBe(half.sha256);
    expect((await engineSources(await described(HALVES), 'vaeDecoder'))[0]?.sha256).toBe(half.sha256);
    expect(await sourceHashes(model)).toContain(full.sha256);
    expect(await sourceHashes(model)).toHaveLength(4);
  });

  it('takes the hashes that the description has, for weights are large, and computes the rest', async () => {
    const whole = await described(HALVES);
    const [half, full] = await engineSources(whole, 'vaeDecoder');
    const hashes = { ...whole.hashes, 'vae_decoder/model.onnx': 'ab'.repeat(32) };
    const [same, other] = await engineSources({ ...whole, hashes }, 'vaeDecoder');
    expect([same?.sha256, other?.sha256]).toEqual([half?.sha256, expect.not.stringContaining(full?.sha256 as string)]);
  });

  it('is refused where its tensors have no shape', async () => {
    const graph = model([input('latent_sample', FLOAT16, null), output('sample', FLOAT16, ['batch', 3, 'H', 'W'])]);
    const error = await failure(engineSources(await described({ 'vae_decoder/model.fp16.onnx': graph }), 'vaeDecoder'));
    expect(error.code).toBe('MODEL_INVALID');
    expect(error.message).toContain('input "latent_sample"');
  });

  it('has the tensors of model.onnx', async () => {
    const refusal = async (graph: Buffer) =>
      (await failure(engineSources(await described({ 'vae_decoder/model.fp16.onnx': graph }), 'vaeDecoder'))).message;
    const latents = input('latent_sample', FLOAT16, ['batch', 4, 'h', 'w']);
    const image = output('sample', FLOAT16, ['batch', 3, 'H', 'W']);
    expect(await refusal(model([input('z', FLOAT16, ['batch', 4, 'h', 'w']), image]))).toContain(
      'vae_decoder/model.fp16.onnx: input "latent_sample": expected float32 [?, 4, ?, ?] as in model.onnx, received none',
    );
    expect(await refusal(model([input('latent_sample', FLOAT16, ['batch', 8, 'h', 'w']), image]))).toContain(
      '[?, 8, ?, ?]',
    );
    expect(await refusal(model([input('latent_sample', INT64, ['batch', 4, 'h', 'w']), image]))).toContain(
      'received int64',
    );
    expect(await refusal(model([latents, output('image', FLOAT16, ['batch', 3, 'H', 'W'])]))).toContain(
      'output "sample"',
    );
    expect(await refusal(model([latents, input('more', FLOAT16, [1]), image]))).toContain('inputs: expected the 1 of');
    expect(await refusal(Buffer.from('no protobuf'))).toContain('expected a whole ONNX model');
  });

  it('is held to the rules of every file of a model', async () => {
    const outside = join(engineFolder(), 'model.onnx');
    writeFileSync(outside, decoder(FLOAT16));
    const linked = await described();
    symlinkSync(outside, join(linked.dir, 'vae_decoder/model.fp16.onnx'));
    expect((await failure(engineSources(linked, 'vaeDecoder'))).message).toContain('a symbolic link that leaves it');

    const escaping = decoder(FLOAT16, externalTensor('w', [16], { location: '../unet/model.onnx' }));
    const model = await described({ 'vae_decoder/model.fp16.onnx': escaping });
    expect((await failure(engineSources(model, 'vaeDecoder'))).message).toContain('a path that leaves it');

    const shared = await described({
      'vae_decoder/model.fp16.onnx': decoder(FLOAT16, externalTensor('w', [16], { location: 'other.weights' })),
    });
    writeFileSync(`${outside}.weights`, Buffer.alloc(64));
    linkSync(`${outside}.weights`, join(shared.dir, 'vae_decoder/other.weights'));
    expect((await failure(engineSources(shared, 'vaeDecoder'))).message).toContain('a hard link');
  });

  it('is what the manifest lists', async () => {
    const whole = await described(HALVES);
    const manifest = {
      files: { 'vae_decoder/model.fp16.onnx': 'ab'.repeat(32) },
    } as unknown as ModelDescription['manifest'];
    const error = await failure(engineSources({ ...whole, manifest }, 'vaeDecoder'));
    expect(error.code).toBe('MODEL_INVALID');
    expect(error.message).toContain(`SHA-256 ${'ab'.repeat(32)} as t2i.json lists`);
    const path = join(whole.dir, 'vae_decoder/model.fp16.onnx');
    const [before] = await engineSources(whole, 'vaeDecoder');
    appendFileSync(path, readFileSync(path).subarray(0, 2));
    expect((await engineSources(whole, 'vaeDecoder'))[0]?.sha256).not.toBe(before?.sha256);
  });
});
