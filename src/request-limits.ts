import { type Field, oneOf } from './fields.js';

/** Longest side of an image, in pixels. */
export const MAX_SIDE = 4096;

/** What one sampler takes. */
export interface SamplerLimits {
  readonly eta: boolean;
  readonly karras: boolean;
  readonly maxSteps: number;
  /** Why the model's noise schedule keeps it from being used; absent where nothing does. */
  readonly refusal?: string | undefined;
}

/** What a request gets where it leaves them out. */
export interface RequestDefaults {
  readonly steps: number;
  readonly guidanceScale: number;
  readonly sampler: string;
}

/** What a request is checked against: plain values of a model, and what its samplers take. */
export interface RequestLimits {
  /** Default size of the image, in pixels. */
  readonly nativeSize: { readonly width: number; readonly height: number };
  /** Sides must be multiples of this many pixels. */
  readonly sizeGranularity: number;
  /** The only size, in pixels, where the graphs are static; null where they are not. */
  readonly fixedSize: { readonly width: number; readonly height: number } | null;
  readonly samplers: Readonly<Record<string, SamplerLimits>>;
  readonly defaults: RequestDefaults;
  /** Why the default sampler is not what the model's scheduler does, as a sentence; absent where it is. */
  readonly replacement?: string | undefined;
  /** By name, what each puts in the place of the defaults; none where they are absent. */
  readonly presets?: Readonly<
    Record<string, { readonly [K in keyof RequestDefaults]?: RequestDefaults[K] | undefined }>
  >;
}

/** What the option `preset` may hold. */
export function presetField({ presets = {} }: RequestLimits): Field {
  const names = Object.keys(presets);
  if (names.length === 0) return { expected: 'nothing, since this model has no presets', accepts: () => false };
  return { expected: `a preset of this model: ${names.join(', ')}`, accepts: oneOf(names).accepts };
}

/** The limits as they are under a preset; a name that none has changes nothing. */
export function withPreset(limits: RequestLimits, name: string | undefined): RequestLimits {
  const preset = Object.entries(limits.presets ?? {}).find(([each]) => each === name)?.[1];
  if (preset === undefined) return limits;
  const { steps, guidanceScale, sampler } = limits.defaults;
  return {
    ...limits,
    defaults: {
      steps: preset.steps ?? steps,
      guidanceScale: preset.guidanceScale ?? guidanceScale,
      sampler: preset.sampler ?? sampler,
    },
    replacement: preset.sampler === undefined ? limits.replacement : undefined,
  };
}
