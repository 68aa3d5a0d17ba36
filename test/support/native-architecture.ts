import { posix } from 'node:path';
import type { SourceFile } from './architecture.js';

interface NativeLayer {
  readonly name: string;
  /** Paths under native/, without their ending. */
  readonly owns: RegExp;
  /** Layers whose files it may include, besides its own. */
  readonly includes: readonly string[];
  /** Single files of other layers that it may include. */
  readonly files?: readonly string[];
  /** The only headers of the system that it may include. */
  readonly onlySystem?: RegExp;
}

/** From the lowest to the highest, each a folder; the first that matches owns a file. */
const LAYERS: readonly NativeLayer[] = [
  { name: 'step', owns: /^base\/step$/, includes: [], onlySystem: /^cmath$/ },
  { name: 'base', owns: /^base\//, includes: ['step'] },
  { name: 'cuda', owns: /^cuda\//, includes: ['step', 'base'] },
  { name: 'tensorrt', owns: /^tensorrt\//, includes: ['base', 'cuda'] },
  { name: 'engine', owns: /^engine\//, includes: ['base', 'cuda', 'tensorrt'] },
  { name: 'pipeline', owns: /^pipeline\//, includes: ['step', 'base', 'cuda', 'engine'] },
  {
    name: 'node',
    owns: /^node\//,
    includes: ['step', 'base', 'cuda', 'engine', 'pipeline'],
    files: ['tensorrt/library'],
  },
];

/** Headers that only some layers may include. */
const RESERVED: readonly { readonly header: RegExp; readonly what: string; readonly layers: readonly string[] }[] = [
  { header: /^(napi|node_api|js_native_api)\.h$/, what: "Node's API", layers: ['node'] },
  { header: /^cuda\w*\.h$|^cuda\/(std|atomic)/, what: "CUDA's API", layers: ['cuda'] },
  { header: /^Nv(Infer|OnnxParser)/, what: "NVIDIA's TensorRT headers, which no build needs", layers: [] },
];

/** Every include in native/ that the direction of the layers does not allow, as `path: sentence`. */
export function checkNativeLayers(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => /^native\/.*\.(cc|h|cu)$/.test(path))
    .flatMap((file) => {
      const layer = layerOf(file.path.slice('native/'.length));
      if (layer === undefined) return [`${file.path}: belongs to no layer`];
      return includesOf(file.text)
        .map(({ header, system }) => (system ? systemProblem(layer, header) : projectProblem(layer, file.path, header)))
        .filter((problem) => problem !== null)
        .map((problem) => `${file.path}: ${problem}`);
    });
}

function layerOf(path: string): NativeLayer | undefined {
  return LAYERS.find(({ owns }) => owns.test(withoutEnding(path)));
}

function projectProblem(layer: NativeLayer, from: string, header: string): string | null {
  const reserved = systemProblem({ ...layer, onlySystem: /./ }, header);
  if (reserved !== null) return reserved;
  const path = posix.normalize(header);
  const other = layerOf(path);
  if (other === layer || (other !== undefined && layer.includes.includes(other.name))) return null;
  if (layer.files?.includes(withoutEnding(path))) return null;
  return `includes ${header}, which ${layer.name} may not see (${posix.basename(from)} lies below or beside it)`;
}

function systemProblem(layer: NativeLayer, header: string): string | null {
  const reserved = RESERVED.find((each) => each.header.test(header));
  if (reserved && !reserved.layers.includes(layer.name)) return `includes ${header}: ${reserved.what}`;
  if (layer.onlySystem && !layer.onlySystem.test(header)) return `includes <${header}>, but only math may be there`;
  return null;
}

function includesOf(text: string): { header: string; system: boolean }[] {
  const lines = text.matchAll(/^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]/gm);
  return [...lines].map(([, bracket, header]) => ({ header: header as string, system: bracket === '<' }));
}

function withoutEnding(path: string): string {
  return path.replace(/\.\w+$/, '');
}
