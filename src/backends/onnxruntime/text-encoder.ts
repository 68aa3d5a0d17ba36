import type { Tensor } from 'onnxruntime-common';
import type { TextEncoderGraph } from '../../model/description.js';
import type { Network } from './network.js';
import { Port, product, type Runtime, readFloats } from './port.js';

/** Prompts whose states are kept: a negative prompt and a handful of prompts come again and again. */
const KEPT_PROMPTS = 16;

/** What the text encoder says about one prompt. */
export interface PromptStates {
  /** Row-major. */
  readonly data: Float32Array;
  /** [states, width] */
  readonly shape: readonly number[];
}

/** The text encoder with a small memory of what it encoded last. */
export class TextEncoder {
  /** By token ids, the least recently used first. */
  readonly #known = new Map<string, PromptStates>();

  constructor(
    private readonly runtime: Runtime,
    private readonly graph: TextEncoderGraph,
    private readonly network: Network,
  ) {}

  /** @param ids token ids, padded to the context length */
  async encode(ids: Int32Array): Promise<PromptStates> {
    const key = ids.join();
    const states = this.#known.get(key) ?? (await this.#run(ids));
    this.#known.delete(key);
    this.#known.set(key, states);
    if (this.#known.size > KEPT_PROMPTS) this.#known.delete(this.#known.keys().next().value as string);
    return states;
  }

  async #run(ids: Int32Array): Promise<PromptStates> {
    const { ids: input, attentionMask, states } = this.graph;
    const shape = [input.shape[0] ?? 1, ids.length];
    const inputs: Record<string, Port> = { [input.name]: new Port(this.runtime, input, shape) };
    inputs[input.name]?.fill(ids);
    if (attentionMask !== null) {
      inputs[attentionMask.name] = new Port(this.runtime, attentionMask, shape);
      inputs[attentionMask.name]?.fill([1]);
    }
    const outputs = await this.network.run(inputs, { [states.name]: null });
    const tensor = outputs[states.name] as Tensor;
    const row = tensor.dims.slice(1);
    return { data: readFloats(tensor).slice(0, product(row)), shape: row };
  }
}
