import type { Api } from './api.js';

/** What the server can draw; the page builds itself from it. */
export interface Capabilities {
  readonly models: readonly [ModelCapabilities, ...ModelCapabilities[]];
  /** Most images of one request. */
  readonly maxImages: number;
  readonly maxPromptLength: number;
}

export interface Defaults {
  readonly steps: number;
  readonly guidanceScale: number;
  readonly sampler: string;
}

export interface ModelCapabilities {
  readonly id: string;
  /** Pixels. */
  readonly size: {
    readonly width: number;
    readonly height: number;
    /** True where no other is possible. */
    readonly fixed: boolean;
    readonly multipleOf: number;
    readonly max: number;
  };
  readonly samplers: Readonly<Record<string, { eta: boolean; karras: boolean; maxSteps: number }>>;
  readonly defaults: Defaults;
  /** By name, each in full. */
  readonly presets: Readonly<Record<string, Defaults>>;
}

/** `GET /v1/capabilities`, as far as the page uses it. */
interface Answer {
  readonly models: readonly [ModelAnswer, ...ModelAnswer[]];
  readonly limits: {
    readonly n: number;
    readonly side: number;
    readonly steps: number;
    readonly prompt_characters: number;
  };
}

interface DefaultsAnswer {
  readonly steps: number;
  readonly guidance_scale: number;
  readonly sampler: string;
}

interface ModelAnswer {
  readonly id: string;
  readonly native_size: { readonly width: number; readonly height: number };
  readonly fixed_size: unknown;
  readonly size_granularity: number;
  readonly defaults: DefaultsAnswer;
  readonly presets: Readonly<Record<string, Partial<DefaultsAnswer>>>;
  readonly samplers: readonly { name: string; eta: boolean; karras: boolean; max_steps: number }[];
}

/** Asks the server for them. */
export async function loadCapabilities(api: Api): Promise<Capabilities> {
  const { models, limits }: Answer = await (await api.call('v1/capabilities')).json();
  const [first, ...others] = models;
  return {
    models: [modelOf(first, limits), ...others.map((model) => modelOf(model, limits))],
    maxImages: limits.n,
    maxPromptLength: limits.prompt_characters,
  };
}

function modelOf(answer: ModelAnswer, limits: Answer['limits']): ModelCapabilities {
  const { id, native_size, fixed_size, size_granularity, defaults, presets, samplers } = answer;
  const named = (values: Partial<DefaultsAnswer>): Defaults => {
    const { steps, guidance_scale: guidanceScale, sampler } = { ...defaults, ...values };
    return { steps, guidanceScale, sampler };
  };
  return {
    id,
    size: { ...native_size, fixed: fixed_size !== null, multipleOf: size_granularity, max: limits.side },
    samplers: Object.fromEntries(
      samplers.map(({ name, eta, karras, max_steps }) => [
        name,
        { eta, karras, maxSteps: Math.min(max_steps, limits.steps) },
      ]),
    ),
    defaults: named({}),
    presets: Object.fromEntries(Object.entries(presets).map(([name, values]) => [name, named(values)])),
  };
}
