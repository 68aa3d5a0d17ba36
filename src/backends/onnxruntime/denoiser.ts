import { guide } from '../../diffusion/step.js';
import type { UnetGraph } from '../../model/description.js';
import type { Network } from './network.js';
import { Port, product, type Runtime } from './port.js';
import type { PromptStates } from './text-encoder.js';

/** What an image is to show, and with guidance how strongly it is to differ from what. */
export interface Conditions {
  readonly prompt: PromptStates;
  readonly guidance: { readonly scale: number; readonly negative: PromptStates } | null;
}

/** The UNet at one latent size under one or two conditions, its tensors allocated once for all steps of a job. */
export class Denoiser {
  /** Number of values of one image's latents. */
  readonly latentSize: number;
  /** Rows of one forward: as many as there are conditions, or what the graph fixes. */
  readonly #batch: number;
  /** States of the conditions, the prompt's last. */
  readonly #conditions: readonly PromptStates[];
  readonly #guidance: Conditions['guidance'];
  readonly #sample: Port;
  readonly #timestep: Port;
  readonly #states: Port;
  readonly #timestepCond: Port | null;
  readonly #output: Port;

  /**
   * @param latents [channels, height, width]
   * @param guidanceEmbedding one row of `timestep_cond`, for a graph that takes it
   */
  constructor(
    runtime: Runtime,
    private readonly graph: UnetGraph,
    private readonly network: Network,
    { prompt, guidance }: Conditions,
    latents: readonly number[],
    guidanceEmbedding: Float32Array | null,
  ) {
    this.#conditions = guidance === null ? [prompt] : [guidance.negative, prompt];
    this.#guidance = guidance;
    const batch = graph.sample.shape[0] ?? this.#conditions.length;
    this.latentSize = product(latents);
    this.#batch = batch;
    this.#sample = new Port(runtime, graph.sample, [batch, ...latents]);
    this.#timestep = new Port(
      runtime,
      graph.timestep,
      graph.timestep.shape.map((size) => size ?? batch),
    );
    this.#states = new Port(runtime, graph.encoderHiddenStates, [batch, ...prompt.shape]);
    const { timestepCond } = graph;
    this.#timestepCond =
      timestepCond && guidanceEmbedding && new Port(runtime, timestepCond, [batch, guidanceEmbedding.length]);
    if (guidanceEmbedding) this.#timestepCond?.fill(guidanceEmbedding);
    this.#output = new Port(runtime, graph.output, [batch, ...latents]);
  }

  /**
   * The network's output on `x` [channels, height, width] at `timestep`, after guidance: one forward for every condition, or as many
   * as a graph needs whose batch is fixed below their number.
   */
  async predict(x: Float32Array, timestep: number): Promise<Float32Array> {
    this.#sample.fill(x);
    this.#timestep.fill([timestep]);
    const results: Float32Array[] = [];
    for (let first = 0; first < this.#conditions.length; first += this.#batch) {
      this.#condition(first);
      await this.#forward();
      for (let row = 0; row < this.#batch && first + row < this.#conditions.length; row++) {
        results.push(this.#output.read(row * this.latentSize, (row + 1) * this.latentSize).slice());
      }
    }
    const [out, conditional] = results as [Float32Array, Float32Array];
    if (this.#guidance !== null) guide(out, conditional, this.#guidance.scale);
    return out;
  }

  async #forward(): Promise<void> {
    const { sample, timestep, encoderHiddenStates, timestepCond, output } = this.graph;
    const inputs = {
      [sample.name]: this.#sample,
      [timestep.name]: this.#timestep,
      [encoderHiddenStates.name]: this.#states,
      ...(timestepCond && this.#timestepCond && { [timestepCond.name]: this.#timestepCond }),
    };
    await this.network.run(inputs, { [output.name]: this.#output });
  }

  /** Puts condition `first` and those after it into the rows; the last one fills what is left over. */
  #condition(first: number): void {
    for (let row = 0; row < this.#batch; row++) {
      const { data } = this.#conditions[Math.min(first + row, this.#conditions.length - 1)] as PromptStates;
      this.#states.write(data, row * data.length);
    }
  }
}
