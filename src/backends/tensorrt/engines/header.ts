import { z } from 'zod';
import { RUNTIMES, type RuntimeName } from '../libraries.js';
import type { Component } from './components.js';
import { invalidEngine } from './invalid-engine.js';

/** Shapes that one input may take, and the one that the engine is fastest at. */
export interface InputShapes {
  readonly input: string;
  readonly min: readonly number[];
  readonly opt: readonly number[];
  readonly max: readonly number[];
}

/** How close an engine comes to the network that it was built from; see accuracy.ts. */
export interface Accuracy {
  /** Cosine of the angle between the two outputs. */
  readonly similarity: number;
  /** Largest difference of two values, by the largest absolute value of the reference. */
  readonly largestError: number;
  /** Name and version of the reference runtime, for example `onnxruntime-node 1.30.0`. */
  readonly against: string;
}

export const PRECISIONS = ['fp16', 'bf16', 'fp32'] as const;
export type Precision = (typeof PRECISIONS)[number];

/** What is known about an engine without running it. Holds no path and no name of a machine. */
export interface EngineHeader {
  readonly component: Component;
  /** Name of the model. */
  readonly model: string;
  /** The graph it was built from: name of the file in the component's folder, and the hash of it and its external data. */
  readonly onnx: { readonly file: string; readonly sha256: string };
  readonly runtime: RuntimeName;
  /** Version of the runtime, for example `10.15.1`. */
  readonly tensorrt: string;
  /** Ten times those it runs on, for example 89 for 8.9; ascending. */
  readonly computeCapabilities: readonly number[];
  /** The GPU it was built on, null where none was needed. */
  readonly gpu: string | null;
  readonly driver: string | null;
  readonly precision: Precision;
  /** Why the precision is not that of the model's best file; null where it is. */
  readonly fallback: string | null;
  /** Hashes of the better files, whose engines were refused before it; empty where it is from the best. */
  readonly insteadOf: readonly string[];
  /** One for each input with a dimension that the graph leaves open. */
  readonly shapes: readonly InputShapes[];
  readonly flags: {
    /** 0 for TensorRT's own choice. */
    readonly workspaceBytes: number;
    /** SHA-256 of the timing cache that the build was pinned to. */
    readonly timingCache: string | null;
  };
  /** Null where it was not checked, for want of a device to run it. */
  readonly accuracy: Accuracy | null;
  /** Version of this package. */
  readonly sdk: string;
  readonly serialized: { readonly bytes: number; readonly sha256: string };
}

/** Of what an error says about a header. */
const LONGEST_LIST = 600;

/** Of one text of a header; one that says why several engines were refused is long. */
const LONGEST_TEXT = 1000;

const label = z
  .string()
  .min(1)
  .max(LONGEST_TEXT)
  .regex(/^\P{Cc}*$/u, 'text without control characters');
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in lower-case hex');
const dims = z
  .array(
    z
      .int()
      .min(1)
      .max(2 ** 31 - 1),
  )
  .max(8);

const HEADER: z.ZodType<EngineHeader> = z.strictObject({
  component: z.enum(['text_encoder', 'unet', 'vae_decoder']),
  model: label,
  onnx: z.strictObject({ file: z.string().regex(/^[\w.-]{1,100}$/, 'a file name'), sha256 }),
  runtime: z.enum(RUNTIMES),
  tensorrt: z.string().regex(/^\d{1,4}(\.\d{1,5}){1,3}$/, 'a version'),
  computeCapabilities: z.array(z.int().min(10).max(9999)).min(1).max(64),
  gpu: label.nullable(),
  driver: label.nullable(),
  precision: z.enum(PRECISIONS),
  fallback: label.nullable(),
  insteadOf: z.array(sha256).max(PRECISIONS.length),
  shapes: z.array(z.strictObject({ input: label, min: dims, opt: dims, max: dims })).max(8),
  flags: z.strictObject({ workspaceBytes: z.int().min(0), timingCache: sha256.nullable() }),
  accuracy: z
    .strictObject({ similarity: z.number().min(-1).max(1), largestError: z.number().min(0), against: label })
    .nullable(),
  sdk: label,
  serialized: z.strictObject({ bytes: z.int().min(1), sha256 }),
});

/** Any text as a header may hold it: not empty, of one line, not too long. */
export function headerText(text: string): string {
  return text.replace(/\p{Cc}/gu, '?').slice(0, LONGEST_TEXT) || '?';
}

/**
 * Checks the JSON of a header.
 *
 * @param path of the engine file, for the message
 * @throws T2IError ENGINE_INVALID with every field that is wrong
 */
export function parseHeader(text: string, path: string): EngineHeader {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalidEngine(path, `its header is not valid JSON: ${(cause as Error).message}`);
  }
  const result = HEADER.safeParse(json);
  if (result.success) return result.data;
  const wrong = result.error.issues.map(({ path: field, message }) => `${field.join('.') || 'header'}: ${message}`);
  throw invalidEngine(path, `its header is wrong: ${wrong.join('; ').slice(0, LONGEST_LIST)}`);
}
