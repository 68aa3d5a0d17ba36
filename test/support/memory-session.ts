import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { GenerateControl, Job, JobResult, Raster, Session } from '../../src/backends/backend.js';
import { HashedNoise } from '../../src/backends/hashed-noise.js';
import { JobQueue, type QueuedJob } from '../../src/backends/job-queue.js';
import { denoise } from '../../src/diffusion/loop.js';
import { parseSchedulerConfig } from '../../src/diffusion/schedule.js';
import { guide } from '../../src/diffusion/step.js';
import type { ModelDescription } from '../../src/model/description.js';
import { Pipeline } from '../../src/pipeline.js';
import { ClipTokenizer } from '../../src/text/clip-tokenizer.js';
import { receiptOf } from './receipts.js';

const FACTOR = 4;
const CHANNELS = 4;
const CONTEXT = 16;

/**
 * A session without a runtime: the real loop over the real plan, around a formula in place of the networks. It keeps what the
 * contract of sessions says of order, aborts and closing, and notes what it was asked.
 */
export class MemorySession implements Session {
  readonly runtime = 'formula 1.0';
  readonly jobs: Job[] = [];
  closes = 0;
  readonly #queue = new JobQueue(async (queued) => queued.resolve(await this.#run(queued)));

  generate(job: Job, control: GenerateControl = {}): Promise<JobResult> {
    this.jobs.push(job);
    return this.#queue.add(job, control);
  }

  async close(): Promise<void> {
    this.closes++;
    this.#queue.close();
  }

  async #run({ job, signal, report }: QueuedJob): Promise<JobResult> {
    const { plan, latentHeight, latentWidth, previewEvery } = job;
    const latentSize = CHANNELS * latentHeight * latentWidth;
    const images: Raster[] = [];
    const noiseSha256: string[] = [];
    for (const [image, seed] of job.seeds.entries()) {
      const noise = new HashedNoise(seed, latentSize);
      const latents = await denoise({
        plan,
        drawNoise: () => noise.next(),
        signal,
        predict: async (x) => {
          await setImmediate();
          const out = (ids: Int32Array) => x.map((value, i) => value * 0.5 + Math.sin(i + meaning(ids)));
          if (job.guidance === null) return out(job.promptIds);
          const guided = out(job.guidance.negativeIds);
          guide(guided, out(job.promptIds), job.guidance.scale);
          return guided;
        },
        onStep: (step, x0) => {
          const preview = previewEvery > 0 && step % previewEvery === 0 ? { preview: decode(x0, job) } : {};
          report?.({ image, step, steps: plan.steps, ...preview });
        },
      });
      const raster = decode(latents, job);
      images.push(raster);
      const sha256 = noise.sha256();
      noiseSha256.push(sha256);
      report?.({ image, raster, noiseSha256: sha256 });
    }
    return { images, noiseSha256, timings: { textEncoder: 1, unet: 2, vaeDecoder: 3, total: 6 } };
  }
}

/** One number for a prompt. */
const meaning = (ids: Int32Array) => ids.reduce((sum, id, place) => sum + id * (place + 1), 0);

/** Every latent pixel becomes a square of one colour. */
function decode(latents: Float32Array, { latentHeight, latentWidth }: Job): Raster {
  const [width, height] = [latentWidth * FACTOR, latentHeight * FACTOR];
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [channel, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    const latent = (channel * latentHeight + Math.floor(y / FACTOR)) * latentWidth + Math.floor(x / FACTOR);
    return 128 + 60 * Math.tanh(latents[latent] ?? 0);
  });
  return { rgb, width, height };
}

const scheduler = parseSchedulerConfig({
  _class_name: 'DDIMScheduler',
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
});

/** What a model's reader would say of the session's formula; graphs are not there, because nothing opens them. */
export const MEMORY_MODEL = {
  name: 'formula',
  scheduler,
  statesPerPrompt: CONTEXT,
  guidanceWidth: null,
  latentChannels: CHANNELS,
  vaeFactor: FACTOR,
  nativeSize: { width: 32, height: 32 },
  fixedSize: null,
  sizeGranularity: 8,
  hashes: receiptOf().model.hashes,
  manifest: null,
} as unknown as ModelDescription;

const tiny = (name: string) => readFileSync(new URL(`../fixtures/tiny/tokenizer/${name}`, import.meta.url), 'utf8');

export function memoryTokenizer(): ClipTokenizer {
  return ClipTokenizer.fromFiles(
    { vocab: JSON.parse(tiny('vocab.json')), merges: tiny('merges.txt') },
    {
      contextLength: CONTEXT,
      bosToken: '<|startoftext|>',
      eosToken: '<|endoftext|>',
      padToken: '<|endoftext|>',
      unkToken: '<|endoftext|>',
      addedTokens: [],
    },
  );
}

/** A pipeline around a session without a runtime. */
export function memoryPipeline(
  model: Partial<ModelDescription> = {},
  maxQueue?: number,
): { pipeline: Pipeline; session: MemorySession } {
  const tokenizer = memoryTokenizer();
  const session = new MemorySession();
  const backend = { name: 'memory', runtime: session.runtime, tried: [] };
  return {
    pipeline: new Pipeline({ model: { ...MEMORY_MODEL, ...model }, tokenizer, session, backend, maxQueue }),
    session,
  };
}
