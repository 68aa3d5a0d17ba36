import { setImmediate } from 'node:timers/promises';
import { denoise } from '../../diffusion/loop.js';
import type { ModelDescription } from '../../model/description.js';
import type { ImageEvent, Job, JobResult, Raster, StepEvent } from '../backend.js';
import { HashedNoise } from '../hashed-noise.js';
import { type Conditions, Denoiser } from './denoiser.js';
import { Network } from './network.js';
import type { Runtime } from './port.js';
import { TextEncoder } from './text-encoder.js';
import { VaeDecoder } from './vae-decoder.js';

type OnEvent = (event: StepEvent | ImageEvent) => void;

interface Networks {
  readonly textEncoder: Network;
  readonly unet: Network;
  readonly vaeDecoder: Network;
}

/** The three networks of a model and the way of a job through them. Runs one job at a time. */
export class ModelRunner {
  readonly #textEncoder: TextEncoder;
  readonly #vaeDecoder: VaeDecoder;

  private constructor(
    private readonly runtime: Runtime,
    private readonly model: ModelDescription,
    private readonly networks: Networks,
  ) {
    this.#textEncoder = new TextEncoder(runtime, model.textEncoder, networks.textEncoder);
    this.#vaeDecoder = new VaeDecoder(runtime, model, networks.vaeDecoder);
  }

  /**
   * @param onOpen called, and awaited, with each file before the runtime opens it
   * @throws T2IError MODEL_INVALID, OUT_OF_MEMORY
   */
  static async load(
    runtime: Runtime,
    model: ModelDescription,
    threads: number | undefined,
    onOpen: (path: string) => Promise<void>,
  ): Promise<ModelRunner> {
    const open = async ({ path }: { readonly path: string }) => {
      await onOpen(path);
      return Network.open(runtime, path, threads);
    };
    const textEncoder = await open(model.textEncoder);
    const unet = await open(model.unet);
    const vaeDecoder = await open(model.vaeDecoder);
    return new ModelRunner(runtime, model, { textEncoder, unet, vaeDecoder });
  }

  /**
   * The images of `job`, each with forwards of its own: kernels may round differently by batch size, and image i must
   * be the image of its seed alone, bit for bit.
   *
   * @param onEvent null where nobody watches: then no preview is decoded
   * @throws T2IError BACKEND_FAILED, OUT_OF_MEMORY; the signal's reason when aborted
   */
  async run(job: Job, onEvent: OnEvent | null, signal: AbortSignal): Promise<JobResult> {
    const start = performance.now();
    const { textEncoder, unet, vaeDecoder } = this.networks;
    for (const network of [textEncoder, unet, vaeDecoder]) network.takeTime();
    const conditions = await this.#conditions(job);
    const latents = [this.model.latentChannels, job.latentHeight, job.latentWidth];
    const denoiser = new Denoiser(this.runtime, this.model.unet, unet, conditions, latents, job.guidanceEmbedding);
    const images: Raster[] = [];
    const noiseSha256: string[] = [];
    for (const [image, seed] of job.seeds.entries()) {
      const noise = new HashedNoise(seed, denoiser.latentSize);
      const raster = await this.#draw(job, image, noise, denoiser, onEvent, signal);
      images.push(raster);
      const sha256 = noise.sha256();
      noiseSha256.push(sha256);
      onEvent?.({ image, raster, noiseSha256: sha256 });
    }
    return {
      images,
      noiseSha256,
      timings: {
        textEncoder: textEncoder.takeTime(),
        unet: unet.takeTime(),
        vaeDecoder: vaeDecoder.takeTime(),
        total: performance.now() - start,
      },
    };
  }

  async #conditions({ promptIds, guidance }: Job): Promise<Conditions> {
    const prompt = await this.#textEncoder.encode(promptIds);
    if (guidance === null) return { prompt, guidance };
    const { scale, negativeIds } = guidance;
    return { prompt, guidance: { scale, negative: await this.#textEncoder.encode(negativeIds) } };
  }

  async #draw(
    job: Job,
    image: number,
    noise: HashedNoise,
    denoiser: Denoiser,
    onEvent: OnEvent | null,
    signal: AbortSignal,
  ): Promise<Raster> {
    const { plan, previewEvery, latentHeight, latentWidth } = job;
    const latents = await denoise({
      plan,
      drawNoise: () => noise.next(),
      signal,
      predict: (x, timestep) => denoiser.predict(x, timestep),
      onStep: async (step, x0) => {
        const due = onEvent !== null && previewEvery > 0 && step % previewEvery === 0;
        const preview = due ? { preview: await this.#vaeDecoder.decode(x0, latentHeight, latentWidth) } : {};
        onEvent?.({ image, step, steps: plan.steps, ...preview });
        // The runtime holds the event loop while it computes: let an abort arrive before the next step.
        await setImmediate();
      },
    });
    signal.throwIfAborted();
    return this.#vaeDecoder.decode(latents, latentHeight, latentWidth);
  }
}
