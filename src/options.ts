import type { Issue } from './errors.js';
import { checkFields, type Field, integer, isRecord, oneOf, real, refuse, text } from './fields.js';
import { MAX_SIDE, presetField, type RequestLimits, withPreset } from './request-limits.js';

export type { RequestDefaults, RequestLimits } from './request-limits.js';

/** Largest number of images of one request. */
export const MAX_IMAGES = 100;
/** Longest prompt, in UTF-16 units; the tokenizer's context is far shorter, this only bounds the work. */
export const MAX_PROMPT_LENGTH = 10_000;

/** The samplers that there are. */
export type SamplerName = 'ddim' | 'ddpm' | 'euler' | 'euler-a' | 'dpmpp-2m' | 'lcm';
/** The backends that there are, and `auto` for the best one that runs here. */
export type BackendName = 'auto' | 'tensorrt' | 'onnxruntime' | 'pytorch';

/** What an image is made from; every field that is left out gets the model's default. */
export interface RequestOptions {
  /** What the image should show; any Unicode text without NUL. Words beyond the model's context are cut, with a warning. */
  prompt: string;
  /** What it should not show. Without effect, and warned of, where `guidanceScale` is 1 or below. Default: empty. */
  negativePrompt?: string | undefined;
  /** Integer from 0 to 2^53 - 1. With `n`, the images take `seed`, `seed + 1` and so on. Default: random, reported with each image. */
  seed?: number | undefined;
  /** One image for each seed, in this order; instead of `seed` and `n`. */
  seeds?: readonly number[] | undefined;
  /** Number of images, 1 to 100. Default: 1. */
  n?: number | undefined;
  /** Name of a preset of the model, such as `fast`, for what is left out of steps, guidanceScale and sampler. */
  preset?: string | undefined;
  /** Denoising steps, from 1 to the most that the sampler takes: the number of training timesteps for most. */
  steps?: number | undefined;
  /** Classifier-free guidance: u + g * (c - u). 1 or below turns it off and halves the work. */
  guidanceScale?: number | undefined;
  /** A sampler; other strings compile, for names out of files and receipts, and are checked. Default: the model's. */
  sampler?: SamplerName | (string & Record<never, never>) | undefined;
  /** `karras` spaces the steps as Karras et al. 2022 (arXiv:2206.00364, eq. 5), for samplers that take it. Default: the model's own choice. */
  sigmas?: 'default' | 'karras' | undefined;
  /** Share of fresh noise per step, 0 (none) to 1, for samplers that take it (Song et al. 2020, arXiv:2010.02502, eq. 16). */
  eta?: number | undefined;
  /** Width in pixels. Default: the model's own. */
  width?: number | undefined;
  /** Height in pixels. Default: the model's own. */
  height?: number | undefined;
  /** Show the estimate of the finished image in step events: true for each step, a number for every so many steps. Costs a decode each. */
  preview?: boolean | number | undefined;
}

/** A request in full: every default filled in, every value checked. */
export interface Request {
  readonly prompt: string;
  readonly negativePrompt: string;
  /** One seed for each image. */
  readonly seeds: readonly number[];
  readonly steps: number;
  readonly guidanceScale: number;
  readonly sampler: string;
  /** Why the sampler is not what the model's scheduler does, where nobody chose it; absent otherwise. */
  readonly replacement?: string | undefined;
  /** Null for the model's own choice. */
  readonly sigmas: 'default' | 'karras' | null;
  /** Null where the sampler takes none. */
  readonly eta: number | null;
  readonly width: number;
  readonly height: number;
  /** Steps between two previews; 0 for none. */
  readonly previewEvery: number;
}

/** How a model is opened. */
export interface LoadOptions {
  /** Model directory, name of a model that ships, or OWNER/NAME[@REVISION] of the Hugging Face Hub. Default: the default model. */
  model?: string | undefined;
  /** A backend, or `auto` for the best one that runs here; other strings compile and are checked. Default: `auto`. */
  backend?: BackendName | (string & Record<never, never>) | undefined;
  /** Interpreter that has PyTorch, for `pytorch`. Default: that of the trainer's own environment. */
  python?: string | undefined;
  /** Threads the runtime may use, on the CPU; more than there are processors are not, with a warning. Default: the runtime's own choice. */
  threads?: number | undefined;
  /** Index of the GPU, as CUDA counts them. Default: 0. */
  device?: number | undefined;
  /** Where TensorRT runs: in this process (`none`, the default) or in a child (`process`), started again after a crash or a lost GPU. */
  isolation?: 'none' | 'process' | undefined;
  /** Forbids every fallback: `auto` takes its first backend or fails, and what would be a BACKEND_FALLBACK warning is an error. */
  strict?: boolean | undefined;
  /** Folder of the TensorRT libraries; no other is searched. Default: T2I_TENSORRT_LIB_DIR, else the usual folders. */
  tensorrtLibDir?: string | undefined;
  /** Most requests that may wait for their turn; one more is refused with QUEUE_FULL. Default: 1000. */
  maxQueue?: number | undefined;
  /** Called while a model is fetched, and while engines are built and checked, which may take minutes. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Ends the load with its reason. */
  signal?: AbortSignal | undefined;
}

/** How far a load has come; only what may take minutes is told. */
export type LoadProgress = DownloadProgress | EngineProgress;

/** Files of a model that come from the Hub. */
export interface DownloadProgress {
  readonly phase: 'download';
  /** 0 to 1, of the bytes. */
  readonly fraction: number;
  /** How much of how much. */
  readonly detail: string;
}

/** Engines of a model that are made for a GPU. */
export interface EngineProgress {
  /** `build`: TensorRT makes an engine; `check`: the engine is compared with the model it was made from. */
  readonly phase: 'build' | 'check';
  readonly network: 'textEncoder' | 'unet' | 'vaeDecoder';
  /** 0 to 1, of this phase for this network. */
  readonly fraction: number;
  /** What the runtime says it is doing; may be empty. */
  readonly detail: string;
}

const anAbortSignal: Field = { expected: 'an AbortSignal', accepts: (value) => value instanceof AbortSignal };
const aFunction: Field = { expected: 'a function', accepts: (value) => typeof value === 'function' };
const SEED = integer(0, Number.MAX_SAFE_INTEGER, 'an integer from 0 to 9007199254740991 (2^53 - 1)');

function side(limits: RequestLimits, name: 'width' | 'height'): Field {
  const { fixedSize, sizeGranularity: step } = limits;
  if (fixedSize) {
    const only = fixedSize[name];
    return integer(only, only, `${only} (this model makes ${fixedSize.width}x${fixedSize.height} images only)`);
  }
  const whole = integer(step, MAX_SIDE);
  return {
    expected: `a multiple of ${step} from ${step} to ${MAX_SIDE}`,
    accepts: (value) => whole.accepts(value) && (value as number) % step === 0,
  };
}

function requestFields(
  limits: RequestLimits,
  sampler: unknown,
): Record<keyof RequestOptions | 'signal' | 'onStep', Field> {
  const most = Math.max(...Object.values(limits.samplers).map((each) => each.maxSteps));
  const own = Object.entries(limits.samplers).find(([name]) => name === sampler)?.[1].maxSteps ?? most;
  const steps = integer(1, own, `an integer from 1 to ${own}${own < most ? ` with sampler ${sampler}` : ''}`);
  const prompt = text(`text of at most ${MAX_PROMPT_LENGTH} characters without NUL`, 0, MAX_PROMPT_LENGTH);
  return {
    prompt,
    negativePrompt: prompt,
    seed: SEED,
    seeds: {
      expected: `1 to ${MAX_IMAGES} seeds, each ${SEED.expected}`,
      accepts: (value) =>
        Array.isArray(value) && value.length > 0 && value.length <= MAX_IMAGES && value.every(SEED.accepts),
    },
    n: integer(1, MAX_IMAGES),
    preset: presetField(limits),
    steps,
    guidanceScale: real(0, 1000, 'a number from 0 to 1000'),
    sampler: oneOf(Object.keys(limits.samplers)),
    sigmas: oneOf(['default', 'karras']),
    eta: real(0, 1, 'a number from 0 to 1'),
    width: side(limits, 'width'),
    height: side(limits, 'height'),
    preview: {
      expected: `true, false or ${steps.expected}`,
      accepts: (value) => typeof value === 'boolean' || steps.accepts(value),
    },
    signal: anAbortSignal,
    onStep: aFunction,
  };
}

/** What `Pipeline.load` takes, for the checks of those who pass options on to it. */
export const LOAD_FIELDS: Record<keyof LoadOptions, Field> = {
  model: text('the path or name of a model', 1, 4096),
  backend: text('the name of a backend or auto', 1, 100),
  python: text('the path of a Python interpreter', 1, 4096),
  threads: integer(1, 1024),
  device: integer(0, 255),
  isolation: oneOf(['none', 'process']),
  strict: { expected: 'true or false', accepts: (value) => typeof value === 'boolean' },
  tensorrtLibDir: text('the path of a folder', 1, 4096),
  maxQueue: integer(1, 1_000_000),
  onProgress: aFunction,
  signal: anAbortSignal,
};

/**
 * Checks the options of one request and fills in the defaults.
 *
 * @throws T2IError OPTION_INVALID with every mistake in `issues`
 */
export function parseRequest(options: RequestOptions, modelLimits: RequestLimits): Request {
  const limits = withPreset(modelLimits, isRecord<RequestOptions>(options) ? options.preset : undefined);
  const sampler = (isRecord<RequestOptions>(options) && options.sampler) || limits.defaults.sampler;
  const issues = checkFields(options, requestFields(limits, sampler));
  const bad = new Set(issues.map((issue) => issue.option));
  const known = (...names: string[]) => names.every((name) => !bad.has(name));
  if (isRecord<RequestOptions>(options)) {
    if (options.prompt === undefined) issues.push({ option: 'prompt', expected: 'text', received: 'nothing' });
    if (known('seed', 'seeds', 'n')) issues.push(...seedIssues(options));
    if (known('sampler', 'eta', 'sigmas')) issues.push(...samplerIssues(options, limits));
  }
  refuse(issues);
  return fillDefaults(options, limits);
}

/**
 * Checks the options of `Pipeline.load`.
 *
 * @throws T2IError OPTION_INVALID with every mistake in `issues`
 */
export function parseLoadOptions(options: LoadOptions): LoadOptions {
  refuse(checkFields(options, LOAD_FIELDS));
  return options;
}

/** The seeds of a request's images: the list, or `n` seeds counting up from `seed`. */
function seedsOf(options: RequestOptions): number[] {
  if (options.seeds) return options.seeds.map((seed) => seed + 0);
  const first = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  // Adding 0 turns a negative zero into the seed 0.
  return Array.from({ length: options.n ?? 1 }, (_, index) => first + index + 0);
}

function seedIssues({ seed, seeds, n }: RequestOptions): Issue[] {
  const issues: Issue[] = [];
  if (seeds !== undefined && seed !== undefined) {
    issues.push({ option: 'seed', expected: 'either seed or seeds', received: 'both' });
  }
  if (seeds !== undefined && n !== undefined && n !== seeds.length) {
    issues.push({ option: 'n', expected: `${seeds.length}, the number of seeds, or nothing`, received: String(n) });
  }
  if (seed !== undefined && n !== undefined && seed > Number.MAX_SAFE_INTEGER - (n - 1)) {
    issues.push({ option: 'seed', expected: `at most 2^53 - ${n}, to count up ${n} seeds`, received: String(seed) });
  }
  return issues;
}

function samplerIssues(options: RequestOptions, limits: RequestLimits): Issue[] {
  const issues: Issue[] = [];
  const sampler = options.sampler ?? limits.defaults.sampler;
  const takers = (trait: 'eta' | 'karras') =>
    Object.keys(limits.samplers)
      .filter((name) => limits.samplers[name]?.[trait])
      .join(', ');
  const { refusal } = limits.samplers[sampler] ?? {};
  if (refusal) issues.push({ option: 'sampler', expected: `another one (${refusal})`, received: `"${sampler}"` });
  if (options.eta !== undefined && !limits.samplers[sampler]?.eta) {
    issues.push({
      option: 'eta',
      expected: `nothing with sampler ${sampler} (eta is for ${takers('eta')})`,
      received: String(options.eta),
    });
  }
  if (options.sigmas === 'karras' && !limits.samplers[sampler]?.karras) {
    issues.push({
      option: 'sigmas',
      expected: `nothing with sampler ${sampler} (karras is for ${takers('karras')})`,
      received: options.sigmas,
    });
  }
  return issues;
}

function fillDefaults(options: RequestOptions, limits: RequestLimits): Request {
  const sampler = options.sampler ?? limits.defaults.sampler;
  return {
    prompt: options.prompt,
    negativePrompt: options.negativePrompt ?? '',
    seeds: seedsOf(options),
    steps: options.steps ?? Math.min(limits.defaults.steps, limits.samplers[sampler]?.maxSteps ?? 1),
    guidanceScale: options.guidanceScale ?? limits.defaults.guidanceScale,
    sampler,
    replacement: options.sampler === undefined ? limits.replacement : undefined,
    sigmas: options.sigmas ?? null,
    eta: limits.samplers[sampler]?.eta ? (options.eta ?? 0) : null,
    width: options.width ?? limits.nativeSize.width,
    height: options.height ?? limits.nativeSize.height,
    previewEvery: Number(options.preview ?? 0),
  };
}

/** The other way round: what asks for one image of a checked request. */
export function optionsOfRequest(request: Omit<Request, 'seeds'>, seed: number): RequestOptions {
  const { prompt, negativePrompt, steps, guidanceScale, sigmas, eta, width, height, previewEvery } = request;
  return {
    prompt,
    negativePrompt,
    seed,
    steps,
    guidanceScale,
    // One that nobody chose is left open, so that the warning of its replacement is given again.
    sampler: request.replacement === undefined ? request.sampler : undefined,
    sigmas: sigmas ?? undefined,
    eta: eta ?? undefined,
    width,
    height,
    preview: previewEvery || undefined,
  };
}
