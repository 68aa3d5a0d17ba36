import { formatCapability } from '../capabilities.js';
import type { RuntimeName } from '../libraries.js';
import type { Component } from './components.js';
import { FORMAT_VERSION, sha256 } from './engine-file.js';
import type { EngineHeader, InputShapes, Precision } from './header.js';

/** What an engine is built for; two engines with the same are interchangeable. */
export type EngineIdentity = Pick<
  EngineHeader,
  'component' | 'onnx' | 'runtime' | 'tensorrt' | 'computeCapabilities' | 'gpu' | 'precision' | 'shapes' | 'flags'
>;

/** SHA-256 in hex of the identity; the name of the engine's file in the cache. */
export function engineKey(identity: EngineIdentity): string {
  const { component, onnx, runtime, tensorrt, computeCapabilities, gpu, precision, shapes, flags } = identity;
  const canonical = [
    FORMAT_VERSION,
    component,
    onnx.sha256,
    runtime,
    tensorrt,
    [...computeCapabilities].sort((a, b) => a - b),
    gpu,
    precision,
    [...shapes].sort((a, b) => (a.input < b.input ? -1 : 1)).map(({ input, min, opt, max }) => [input, min, opt, max]),
    flags.workspaceBytes,
    flags.timingCache,
  ];
  return sha256(Buffer.from(JSON.stringify(canonical)));
}

/** What an engine must fit to be used. */
export interface WantedEngine {
  readonly component: Component;
  /** Of the graph and its external data. */
  readonly onnxSha256: string;
  /** Hashes of the better graphs that must have been tried before. */
  readonly insteadOf: readonly string[];
  readonly runtime: RuntimeName;
  readonly tensorrt: string;
  /** All of them. */
  readonly computeCapabilities: readonly number[];
  /** The GPU at hand, null where there is none. */
  readonly gpu: string | null;
  readonly precision: Precision;
  /** Shapes it must be able to run; null where any will do. */
  readonly shapes: readonly InputShapes[] | null;
  /** The only identity that will do; null where all will that fit. */
  readonly exactly: EngineIdentity | null;
}

/** Why an engine is none that is wanted, in words that follow "it was"; empty where it fits. The only place that decides it. */
export function mismatch(header: EngineHeader, wanted: WantedEngine): string[] {
  const reasons: string[] = [];
  const differs = (what: string, has: string, wants: string) => {
    if (has !== wants) reasons.push(`built for ${what}${has}, this is ${wants}`);
  };
  if (header.component !== wanted.component)
    reasons.push(`built from the ${header.component}, not the ${wanted.component}`);
  if (header.onnx.sha256 !== wanted.onnxSha256) reasons.push(`built from another ${header.onnx.file}`);
  if (wanted.insteadOf.some((hash) => !header.insteadOf.includes(hash))) {
    reasons.push(`built from ${header.onnx.file} before a better graph was tried`);
  }
  differs('', RUNTIME_LABELS[header.runtime], RUNTIME_LABELS[wanted.runtime]);
  if (header.runtime === wanted.runtime)
    differs(`${RUNTIME_LABELS[header.runtime]} `, header.tensorrt, wanted.tensorrt);
  // TensorRT's engines belong to one kind of GPU; those of TensorRT-RTX to every one of the compute capabilities.
  if (wanted.runtime === 'tensorrt' && wanted.gpu !== null) differs('', header.gpu ?? 'no GPU', wanted.gpu);
  const missing = wanted.computeCapabilities.filter((capability) => !header.computeCapabilities.includes(capability));
  if (missing.length > 0) {
    const [has, lacks] = [header.computeCapabilities, missing].map((list) => list.map(formatCapability).join(', '));
    reasons.push(`built for compute capability ${has}, not ${lacks}`);
  }
  differs('', header.precision, wanted.precision);
  for (const shapes of wanted.shapes ?? []) {
    const has = header.shapes.find(({ input }) => input === shapes.input);
    if (has === undefined) reasons.push(`built without a range for ${shapes.input}`);
    else if (!covers(has, shapes)) {
      reasons.push(`built for ${shapes.input} from ${formatRange(has)}, not ${formatRange(shapes)}`);
    }
  }
  // What fits and is yet another may have been built for more shapes, or with a timing cache.
  if (reasons.length === 0 && wanted.exactly !== null && engineKey(header) !== engineKey(wanted.exactly)) {
    reasons.push('built for another profile, or with another timing cache');
  }
  return reasons;
}

const RUNTIME_LABELS: Readonly<Record<RuntimeName, string>> = { tensorrt: 'TensorRT', 'tensorrt-rtx': 'TensorRT-RTX' };

/** For example 2x4x16x16 to 8x4x16x16. */
export function formatRange({ min, max }: Pick<InputShapes, 'min' | 'max'>): string {
  const [from, to] = [min.join('x'), max.join('x')];
  return from === to ? from : `${from} to ${to}`;
}

function covers(has: InputShapes, wanted: InputShapes): boolean {
  return (
    has.min.length === wanted.min.length &&
    wanted.min.every((size, axis) => (has.min[axis] as number) <= size) &&
    wanted.max.every((size, axis) => (has.max[axis] as number) >= size)
  );
}
