import * as onnxruntime from 'onnxruntime-node';
import { describe, expect, it, vi } from 'vitest';
import { Denoiser } from '../../../src/backends/onnxruntime/denoiser.js';
import { Network } from '../../../src/backends/onnxruntime/network.js';
import type { Runtime } from '../../../src/backends/onnxruntime/port.js';
import { VaeDecoder } from '../../../src/backends/onnxruntime/vae-decoder.js';
import { describeModel } from '../../../src/model/layout.js';
import { writeModel } from '../model/model-dir.js';
import { type Dim, FLOAT, INT64, input, message, model, node, output } from '../model/onnx-writer.js';

const runtime = onnxruntime as unknown as Runtime;

/** A node of a graph that runs: operator, inputs and output. */
const runs = (operator: string, inputs: readonly string[], result: string) =>
  node(operator, '', 1, ...inputs.map((name) => message(1, name)), message(2, result));

describe('the decoder', () => {
  // 3 channels, one pixel for a latent pixel, and an image that is the latents as they come in.
  const open = async (batch: Dim) => {
    const dir = writeModel({
      'unet/model.onnx': model([
        input('sample', FLOAT, ['b', 3, 'h', 'w']),
        input('timestep', INT64, [1]),
        input('encoder_hidden_states', FLOAT, ['b', 16, 32]),
        output('out_sample', FLOAT, ['b', 3, 'h', 'w']),
      ]),
      'unet/config.json': null,
      'vae_decoder/model.onnx': model([
        input('latent_sample', FLOAT, [batch, 3, 'h', 'w']),
        runs('Identity', ['latent_sample'], 'sample'),
        output('sample', FLOAT, [batch, 3, 'h', 'w']),
      ]),
      'vae/config.json': JSON.stringify({ block_out_channels: [8], scaling_factor: 0.5, shift_factor: 0.25 }),
    });
    const described = await describeModel(dir);
    return new VaeDecoder(runtime, described, await Network.open(runtime, described.vaeDecoder.path, 1));
  };

  it.each<Dim>([1, 2, 'batch'])(
    'divides by the scaling factor, then adds the shift factor (batch %s)',
    async (batch) => {
      const decoder = await open(batch);
      const latents = Float32Array.of(-0.75, -0.5, -0.125, 0, 0.125, 0.375);
      const { rgb, width, height } = await decoder.decode(latents, 1, 2);
      expect([width, height]).toEqual([2, 1]);
      // (x / 0.5 + 0.25) / 2 + 0.5 by hand: red -0.125 and 0.125, green 0.5 and 0.625, blue 0.75 and 1, of 255, halves to even.
      expect([...rgb]).toEqual([0, 128, 191, 32, 159, 255]);
    },
  );
});

describe('the denoiser', () => {
  // 512 latents, 512 numbers of text states; the prediction is their sum.
  const latents = [4, 8, 16];
  const numbers = (from: number) => Float32Array.from({ length: 512 }, (_, i) => from + i);
  const [x, negative, prompt] = [numbers(0), numbers(1000), numbers(3000)];
  const states = (data: Float32Array) => ({ data, shape: [16, 32] });
  const differences = prompt.map((value, i) => value - (negative[i] as number));
  const sum = (a: Float32Array, b: Float32Array) => a.map((value, i) => value + (b[i] as number));

  const open = async (batch: Dim, timesteps: readonly Dim[], guided: boolean) => {
    const unet = model([
      input('sample', FLOAT, [batch, ...latents]),
      input('timestep', FLOAT, timesteps),
      input('encoder_hidden_states', FLOAT, [batch, 16, 32]),
      runs('Shape', ['sample'], 'shape'),
      runs('Reshape', ['encoder_hidden_states', 'shape'], 'states'),
      runs('Add', ['sample', 'states'], 'out_sample'),
      output('out_sample', FLOAT, [batch, ...latents]),
    ]);
    const { unet: graph } = await describeModel(writeModel({ 'unet/model.onnx': unet, 'vae/config.json': null }));
    const network = await Network.open(runtime, graph.path, 1);
    const run = vi.spyOn(network, 'run');
    const conditions = {
      prompt: states(prompt),
      guidance: guided ? { scale: 2, negative: states(negative) } : null,
    };
    return { denoiser: new Denoiser(runtime, graph, network, conditions, latents, null), run };
  };

  it.each<[batch: Dim, timesteps: readonly Dim[], forwards: number, told: readonly number[]]>([
    ['batch', ['batch'], 1, [999, 999]],
    ['batch', [], 1, [999]],
    [1, [1], 2, [999]],
    [2, [1], 1, [999]],
    [2, [2], 1, [999, 999]],
    [3, [3], 1, [999, 999, 999]],
  ])(
    'of a graph of batch %s, timesteps %j, predicts for both prompts in %d forwards',
    async (batch, timesteps, forwards, told) => {
      const { denoiser, run } = await open(batch, timesteps, true);
      // negative + 2 * (prompt - negative), in whole numbers that float32 holds.
      const guided = (sample: Float32Array) => sum(sum(sample, prompt), differences);
      const first = await denoiser.predict(x, 999);
      expect(first).toEqual(guided(x));
      expect(run).toHaveBeenCalledTimes(forwards);
      expect([...(run.mock.calls[0]?.[0].timestep?.tensor.data ?? [])]).toEqual(told);
      // The next step finds nothing of this one.
      expect(await denoiser.predict(prompt, 1)).toEqual(guided(prompt));
      expect(first).toEqual(guided(x));
    },
  );

  it.each<Dim>([1, 2, 'batch'])('of a graph of batch %s predicts for one prompt in one forward', async (batch) => {
    const { denoiser, run } = await open(batch, [1], false);
    expect(await denoiser.predict(x, 999)).toEqual(sum(x, prompt));
    expect(run).toHaveBeenCalledOnce();
  });
});
