import type { CacheEntry, EngineHeader } from '../../backends/engines.js';
import { formatAge, formatBytes } from '../quantities.js';

/** Columns of `t2i engines`. */
export const ENGINE_COLUMNS = [
  'engine',
  'model',
  'runtime',
  'compute',
  'precision',
  'profile',
  'accuracy',
  'size',
  'age',
] as const;

/** One line of the table for an engine that is whole. */
export function engineRow(entry: Extract<CacheEntry, { header: EngineHeader }>, now: Date): string[] {
  const { header, bytes, modified } = entry;
  return [
    shortName(entry.path),
    header.model,
    `${header.runtime} ${header.tensorrt}`,
    computeOf(header),
    header.precision,
    profileOf(header),
    accuracyOf(header),
    formatBytes(bytes),
    formatAge(now.getTime() - modified.getTime()),
  ];
}

/** Enough of a file's name to tell it from others: the component and the start of its key. */
export function shortName(path: string): string {
  const name = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  return name.replace(/^(\w+-[0-9a-f]{12})[0-9a-f]*\.engine$/, '$1');
}

/** For example `8.6 8.9`. */
export function computeOf({ computeCapabilities }: EngineHeader): string {
  return computeCapabilities.map((capability) => `${Math.floor(capability / 10)}.${capability % 10}`).join(' ');
}

/** The range of the input that is the network's image, latents or text: the first; `fixed` where the graph leaves nothing open. */
export function profileOf({ shapes }: Pick<EngineHeader, 'shapes'>): string {
  const [first] = shapes;
  if (!first) return 'fixed';
  const [min, max] = [first.min.join('x'), first.max.join('x')];
  return min === max ? min : `${min}..${max}`;
}

export function accuracyOf({ accuracy }: Pick<EngineHeader, 'accuracy'>): string {
  return accuracy === null ? 'not checked' : accuracy.similarity.toFixed(6);
}

/** Everything of a header, a line each, for `t2i engines inspect`. */
export function headerRows(header: EngineHeader): [string, string][] {
  const { accuracy, shapes, flags, onnx, serialized } = header;
  return [
    ['component', header.component],
    ['model', header.model],
    ['graph', `${onnx.file}, sha256 ${onnx.sha256}`],
    ['runtime', `${header.runtime} ${header.tensorrt}`],
    ['compute', computeOf(header)],
    ['gpu', header.gpu ?? '(none: built ahead of time)'],
    ['driver', header.driver ?? '(none)'],
    ['precision', header.fallback === null ? header.precision : `${header.precision}: ${header.fallback}`],
    [
      'profile',
      shapes.map(({ input, min, opt, max }) => `${input} ${[min, opt, max].map(join).join(', ')}`).join('\n') ||
        'fixed',
    ],
    ['workspace', flags.workspaceBytes === 0 ? "(TensorRT's own choice)" : formatBytes(flags.workspaceBytes)],
    ['timing cache', flags.timingCache === null ? '(none)' : `sha256 ${flags.timingCache}`],
    [
      'accuracy',
      accuracy === null
        ? 'not checked: the first use on a GPU does'
        : `similarity ${accuracy.similarity.toFixed(6)}, largest error ${accuracy.largestError.toFixed(5)}, against ${accuracy.against}`,
    ],
    ['made by', header.sdk],
    ['engine', `${formatBytes(serialized.bytes)}, sha256 ${serialized.sha256}`],
  ];
}

function join(dims: readonly number[]): string {
  return dims.join('x');
}
