import { z } from 'zod';
import { describeValue } from '../fields.js';
import { invalidModel, Problems } from './problems.js';

/** What a preset puts in the place of the defaults; it names at least one. */
export interface Preset {
  readonly steps?: number | undefined;
  readonly guidanceScale?: number | undefined;
  readonly sampler?: string | undefined;
}

/** `t2i.json`, the manifest of a model that our own exporter wrote. */
export interface Manifest {
  readonly formatVersion: 1;
  /** Name of the model in receipts. */
  readonly name: string;
  /** SHA-256 in hex by path in the model directory. */
  readonly files: Readonly<Record<string, string>>;
  /** For requests that leave them out. */
  readonly defaults: { readonly steps: number; readonly guidanceScale: number; readonly sampler: string };
  /** Named alternatives to the defaults, such as `fast`; what a preset leaves out stays as it is. */
  readonly presets?: Readonly<Record<string, Preset>> | undefined;
  /** Words that the captions of training used, in small letters, separated by spaces. */
  readonly words?: string | undefined;
  /** Options and results of every stage of the training. */
  readonly training: Readonly<Record<string, unknown>>;
  /** SHA-256 in hex of the training data. */
  readonly dataFingerprint: string;
  /** Of the empty prompt's states, float32, on the machine that exported. */
  readonly nullEmbeddingSha256: string;
  /** The judge's report, or null where nothing was measured. */
  readonly evaluation: Readonly<Record<string, unknown>> | null;
  /** Licences of the training data. */
  readonly licence: string;
}

const SHA256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in lower-case hex');

const DEFAULTS = z.strictObject({
  steps: z.int().min(1).max(1000),
  guidanceScale: z.number().min(0).max(1000),
  sampler: z.string(),
});

const PRESET_NAME = z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'a name of small letters, digits and dashes');

const PRESET = DEFAULTS.partial().refine((preset) => Object.keys(preset).length > 0, 'steps, guidanceScale or sampler');

const MANIFEST: z.ZodType<Manifest> = z.strictObject({
  formatVersion: z.literal(1),
  name: z.string().regex(/^[\w.-]{1,100}$/, 'a name of letters, digits, dots and dashes'),
  files: z.record(z.string(), SHA256),
  defaults: DEFAULTS,
  presets: z.record(PRESET_NAME, PRESET).optional(),
  words: z.string().max(1_000_000).optional(),
  training: z.record(z.string(), z.unknown()),
  dataFingerprint: z.string(),
  nullEmbeddingSha256: SHA256,
  evaluation: z.record(z.string(), z.unknown()).nullable(),
  licence: z.string(),
});

/**
 * Checks the parsed content of t2i.json.
 * @throws T2IError MODEL_INVALID with every wrong field at once; a later format version is named alone.
 */
export function parseManifest(json: unknown): Manifest {
  const version = typeof json === 'object' && json !== null && 'formatVersion' in json ? json.formatVersion : undefined;
  if (version !== 1) {
    throw invalidModel(
      't2i.json: formatVersion',
      '1, which this version of the package reads',
      version === undefined ? 'none' : describeValue(version),
    );
  }
  const result = MANIFEST.safeParse(json);
  if (result.success) return result.data;
  const problems = new Problems();
  for (const issue of result.error.issues)
    problems.add(['t2i.json', ...issue.path].join(': '), 'a valid field', issue.message);
  problems.throwIfAny();
  throw result.error;
}
