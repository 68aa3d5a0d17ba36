import type { ElementType, ModelDescription, TensorInfo } from '../../../model/description.js';
import { checkExternalData } from '../../../model/external-data.js';
import { GRAPH_FILES } from '../../../model/graph-files.js';
import { ELEMENT_TYPES } from '../../../model/graph-roles.js';
import { checkHashes, hashFiles } from '../../../model/hashes.js';
import { ModelFiles } from '../../../model/model-files.js';
import { tensorsOf } from '../../../model/networks.js';
import { type OnnxFile, readOnnxFile } from '../../../model/onnx-file.js';
import { invalidModel, Problems } from '../../../model/problems.js';
import { ProtobufError } from '../../../model/protobuf.js';
import type { NetworkName } from '../../backend.js';
import { formatCapability, withoutBf16 } from '../capabilities.js';
import { componentOf } from './components.js';
import { sha256 } from './engine-file.js';
import type { Precision } from './header.js';

/** The graphs of a network, the one that engines are built from first in front; every model has the last. */
const GRAPHS = [
  { file: GRAPH_FILES.fp16, precision: 'fp16' },
  { file: GRAPH_FILES.bf16, precision: 'bf16' },
  { file: GRAPH_FILES.fp32, precision: 'fp32' },
] as const;

/** A graph that an engine can be built from. */
export interface EngineSource {
  readonly network: NetworkName;
  /** TensorRT computes in the precision that the graph is written in. */
  readonly precision: Precision;
  /** Name in the component's folder. */
  readonly file: string;
  /** Absolute. */
  readonly path: string;
  /** Of the graph and its external data: SHA-256 in hex of their hashes and names. */
  readonly sha256: string;
  /** Of the graph and its external data. */
  readonly bytes: number;
  /** Element type of each input and of the output, by name. */
  readonly types: ReadonlyMap<string, ElementType>;
  /** Why a graph of the folder that comes before it is not used; null where none is passed over. */
  readonly passedOver: string | null;
}

/**
 * The graphs that an engine of a network can be built from, the one to try first in front: `model.fp16.onnx` before `model.bf16.onnx`
 * before `model.onnx`, as far as they are there; in bf16 only where every GPU has it. Only the decoder may go on to the next, for the
 * activations of some overflow in fp16.
 *
 * @param computeCapabilities ten times those that it is built for; none for every graph that it could be built from anywhere
 * @throws T2IError MODEL_INVALID with everything that is wrong with the files
 */
export async function engineSources(
  model: ModelDescription,
  network: NetworkName,
  computeCapabilities: readonly number[],
): Promise<readonly EngineSource[]> {
  const files = await ModelFiles.open(model.dir);
  const lacking = withoutBf16(computeCapabilities).map(formatCapability).join(', ');
  const sources: EngineSource[] = [];
  let passedOver: string | null = null;
  for (const { file, precision } of GRAPHS) {
    if (!(await files.has(`${componentOf(network)}/${file}`))) continue;
    if (precision === 'bf16' && lacking !== '') {
      passedOver = `${file} is passed over: compute capability ${lacking} has no bf16`;
      continue;
    }
    sources.push({ ...(await readSource(model, network, file, precision)), passedOver });
    const onlySome = precision === 'bf16' && computeCapabilities.length === 0;
    if (network !== 'vaeDecoder' && !onlySome) break;
  }
  return sources;
}

async function readSource(
  model: ModelDescription,
  network: NetworkName,
  file: string,
  precision: Precision,
): Promise<Omit<EngineSource, 'passedOver'>> {
  const files = await ModelFiles.open(model.dir);
  const problems = new Problems();
  const path = `${componentOf(network)}/${file}`;
  const graph = await files.check(path);
  const onnx = parse(graph.path, path);
  const { shared } = await checkExternalData(files, { path, file: graph, external: onnx.external }, problems);
  const types = checkTensors(model, network, onnx, path, problems);
  problems.throwIfAny();
  const hashes = await hashUnknown(files, model, problems);
  checkHashes(hashes, model.manifest, shared, problems);
  problems.throwIfAny();
  const listed = Object.keys(hashes).sort();
  const sizes = await Promise.all(listed.map(async (name) => (await files.check(name)).size));
  return {
    network,
    precision: precisionOf(onnx, types.get(tensorsOf(model, network).output.name), precision),
    file,
    path: graph.path,
    sha256: sha256(Buffer.from(listed.map((name) => `${hashes[name]}  ${name}\n`).join(''))),
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    types,
  };
}

/** Hashes of the files in use; those that the description knows are not computed again, for weights are large. */
async function hashUnknown(
  files: ModelFiles,
  model: ModelDescription,
  problems: Problems,
): Promise<Record<string, string>> {
  const known: Record<string, string> = {};
  for (const path of [...files.used]) {
    const hash = model.hashes[path];
    if (hash === undefined) continue;
    known[path] = hash;
    files.used.delete(path);
  }
  return { ...known, ...(await hashFiles(files, problems)).hashes };
}

/** The graph must have the tensors of `model.onnx`, which the description is of; floats may be of the other width. */
function checkTensors(
  model: ModelDescription,
  network: NetworkName,
  onnx: OnnxFile,
  path: string,
  problems: Problems,
): ReadonlyMap<string, ElementType> {
  const { inputs, output } = tensorsOf(model, network);
  const types = new Map<string, ElementType>();
  const check = (kind: string, info: TensorInfo, values: OnnxFile['inputs']) => {
    const value = values.find(({ name }) => name === info.name);
    const type = ELEMENT_TYPES.get(value?.elementType ?? 0);
    const sameShape =
      String(value?.shape?.map((size) => size ?? '?')) === String(info.shape.map((size) => size ?? '?'));
    if (type !== undefined && sameShape && (type === info.type || (isFloat(type) && isFloat(info.type)))) {
      types.set(info.name, type);
      return;
    }
    const shape = info.shape.map((size) => size ?? '?').join(', ');
    const received = value ? `${type} [${value.shape?.map((size) => size ?? '?').join(', ')}]` : 'none';
    problems.add(`${path}: ${kind} ${JSON.stringify(info.name)}`, `${info.type} [${shape}] as in model.onnx`, received);
  };
  for (const info of inputs) check('input', info, onnx.inputs);
  check('output', output, onnx.outputs);
  if (onnx.inputs.length > inputs.length) {
    problems.add(`${path}: inputs`, `the ${inputs.length} of model.onnx`, String(onnx.inputs.length));
  }
  return types;
}

/** Others write `model.onnx` in any precision. Of one that holds bf16 it must be known, for not every GPU has it. */
function precisionOf({ elementTypes }: OnnxFile, output: ElementType | undefined, expected: Precision): Precision {
  if ([...elementTypes].some((type) => ELEMENT_TYPES.get(type) === 'bfloat16')) return 'bf16';
  return output === 'float16' ? 'fp16' : expected;
}

function isFloat(type: ElementType): boolean {
  return type === 'float32' || type === 'float16' || type === 'bfloat16';
}

function parse(fullPath: string, path: string): OnnxFile {
  try {
    return readOnnxFile(fullPath);
  } catch (error) {
    if (error instanceof ProtobufError) throw invalidModel(path, 'a whole ONNX model', error.message);
    throw error;
  }
}
