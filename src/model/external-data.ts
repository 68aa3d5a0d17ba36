import { posix } from 'node:path';
import type { ModelFile, ModelFiles } from './model-files.js';
import type { ExternalTensor } from './onnx-file.js';
import type { Problems } from './problems.js';

/** Bytes of an element by `TensorProto.DataType`; below 1 where several share a byte. Text (8) cannot be external. */
const ELEMENT_BYTES: ReadonlyMap<number, number> = new Map([
  ...[1, 6, 12].map((type) => [type, 4] as const),
  ...[2, 3, 9, 17, 18, 19, 20, 24].map((type) => [type, 1] as const),
  ...[4, 5, 10, 16].map((type) => [type, 2] as const),
  ...[7, 11, 13, 14].map((type) => [type, 8] as const),
  [15, 16],
  ...[21, 22, 23].map((type) => [type, 0.5] as const),
  ...[25, 26].map((type) => [type, 0.25] as const),
]);

/**
 * Checks that the external data of a graph lies in files inside its own folder, not reached by links that leave it, and
 * inside those files; the files are noted as used. A hard link is no link to the file system, so a file with several
 * names is left to the caller (`shared`): it is harmless only where the manifest lists its content.
 */
export async function checkExternalData(
  files: ModelFiles,
  graph: { readonly path: string; readonly file: ModelFile; readonly external: readonly ExternalTensor[] },
  problems: Problems,
): Promise<{ readonly shared: readonly string[] }> {
  const opened = new Map<string, ModelFile | null>();
  const shared: string[] = [];
  for (const tensor of graph.external) {
    const label = `${graph.path}: tensor ${JSON.stringify(tensor.name)}`;
    const location = tensor.entries.get('location') ?? '';
    const reason = locationProblem(location);
    if (reason !== null) {
      problems.add(label, 'external data in a file of the same folder', `${reason} ${JSON.stringify(location)}`);
      continue;
    }
    const path = posix.join(posix.dirname(graph.path), location);
    if (!opened.has(path)) {
      const file = await problems.collect(() => files.check(path));
      opened.set(path, file);
      if (file !== null && file.names > 1 && !file.linked) shared.push(path);
      if (file !== null && file.linked !== graph.file.linked) {
        problems.add(path, `${graph.path} and its data both links of the cache or both files`, 'one of each');
      }
    }
    const file = opened.get(path);
    if (file) checkRange(tensor, file.size, label, problems);
  }
  return { shared };
}

/** Why a location may not be followed, or null. */
function locationProblem(location: string): string | null {
  if (location === '') return 'no location';
  if (location.includes('\0')) return 'a location with a NUL character';
  if (/^([\\/]|[A-Za-z]:)/.test(location)) return 'an absolute path';
  if (location.split(/[\\/]/).includes('..')) return 'a path that leaves it';
  return location.includes('\\') ? 'a path with a backslash' : null;
}

function checkRange(tensor: ExternalTensor, fileSize: number, label: string, problems: Problems): void {
  const elementBytes = ELEMENT_BYTES.get(tensor.elementType);
  if (elementBytes === undefined) {
    problems.add(label, 'a numeric element type', `type ${tensor.elementType}`);
    return;
  }
  const needed = Math.ceil(tensor.dims.reduce((product, size) => product * size, 1) * elementBytes);
  const offset = wholeNumber(tensor.entries.get('offset') ?? '0');
  const length = wholeNumber(tensor.entries.get('length') ?? String(needed));
  if (offset === null || length === null) {
    problems.add(label, 'an offset and a length that are whole numbers', describe(tensor));
  } else if (length !== needed) {
    problems.add(label, `${needed} bytes for shape [${tensor.dims.join(', ')}]`, `a length of ${length}`);
  } else if (offset + length > fileSize) {
    problems.add(label, `data within the ${fileSize} bytes of its file`, describe(tensor));
  }
}

function describe(tensor: ExternalTensor): string {
  const entry = (key: string) => JSON.stringify(tensor.entries.get(key) ?? 'none').slice(0, 40);
  return `offset ${entry('offset')}, length ${entry('length')}`;
}

function wholeNumber(text: string): number | null {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : null;
}
