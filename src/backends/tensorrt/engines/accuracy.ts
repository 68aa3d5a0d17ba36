import { T2IError } from '../../../errors.js';
import { askForReport } from '../../../report-address.js';
import type { Accuracy, Precision } from './header.js';

/**
 * How far an engine may be from its reference.
 *
 * The cosine measures the whole output: for an error of relative size e that is independent of the signal it is about
 * 1 - e^2 / 2, so 0.999 admits 4.5 % and 0.9999 admits 1.4 %. Rounding to half precision (2^-11 an operation, through some hundred
 * layers) costs below 1 %, to TF32, which TensorRT uses for float32, less; a layer that is computed wrongly costs far more.
 * bf16 keeps 8 bits of a number where fp16 keeps 11, so an operation rounds by up to 2^-8. Over n operations such errors add up like
 * independent ones, to about 2^-8 / sqrt(3) * sqrt(n): 2.3 % for a hundred. So fp16's limits hold for it too (measured on the default
 * model's decoder, each operation rounded to bf16 on a CPU: error 1.1 %, similarity 0.99994, largest error 2.2 %).
 * The largest error, by the largest value of the reference, finds what the cosine does not see: a spot of some pixels, or an output
 * that is too strong or too weak throughout.
 */
const LIMITS: Readonly<Record<Precision, { readonly similarity: number; readonly largestError: number }>> = {
  fp16: { similarity: 0.999, largestError: 0.05 },
  bf16: { similarity: 0.999, largestError: 0.05 },
  fp32: { similarity: 0.9999, largestError: 0.02 },
};

const HINTS: Readonly<Record<Precision, string>> = {
  fp16: 'The weights overflow or lose too much in half precision: export model.fp16.onnx again, or remove it to build from model.bf16.onnx or model.onnx.',
  bf16: 'bf16 keeps too few bits of the numbers of this network: remove model.bf16.onnx to build from model.onnx.',
  fp32: `TensorRT computes this model wrongly; use --backend onnxruntime.${askForReport('this message')}`,
};

/**
 * The gate that every engine passes before it is used.
 *
 * @param label names the engine in messages
 * @throws T2IError ENGINE_INACCURATE with the numbers: other sizes, NaN values, below the limits
 */
export function measureAccuracy(
  label: string,
  engine: Float32Array,
  reference: Float32Array,
  { precision, against }: { readonly precision: Precision; readonly against: string },
): Accuracy {
  const fail = (what: string) => {
    return new T2IError('ENGINE_INACCURATE', `The engine of ${label} (${precision}) ${what}.`, {
      hint: HINTS[precision],
    });
  };
  if (engine.length !== reference.length) throw fail(`gives ${engine.length} values, ${against} ${reference.length}`);
  const strange = engine.reduce((total, value) => total + (Number.isFinite(value) ? 0 : 1), 0);
  if (strange > 0) throw fail(`gives ${strange} of ${engine.length} values that are infinite or no numbers`);
  const accuracy = { ...compare(engine, reference), against };
  const limits = LIMITS[precision];
  const { similarity, largestError } = accuracy;
  // Written so that a NaN, from a reference that is no number itself, fails too.
  if (similarity >= limits.similarity && largestError <= limits.largestError) return accuracy;
  throw fail(
    `differs from ${against}: cosine similarity ${similarity.toFixed(6)}, at least ${limits.similarity} is needed; ` +
      `largest error ${largestError.toFixed(4)} of the largest value, at most ${limits.largestError} is allowed`,
  );
}

/** Sums in double precision. Two outputs of nothing but zeros are alike. */
function compare(a: Float32Array, b: Float32Array): { similarity: number; largestError: number } {
  let [dot, aa, bb, error, largest] = [0, 0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    dot += x * y;
    aa += x * x;
    bb += y * y;
    error = Math.max(error, Math.abs(x - y));
    largest = Math.max(largest, Math.abs(y));
  }
  if (error === 0) return { similarity: 1, largestError: 0 };
  return {
    similarity: aa === 0 || bb === 0 ? 0 : Math.max(-1, Math.min(1, dot / Math.sqrt(aa * bb))),
    // Infinite where the reference is nothing but zeros.
    largestError: error / largest,
  };
}
