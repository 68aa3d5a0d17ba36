import { posix } from 'node:path';
import { T2IError } from '../errors.js';
import { GRAPH_FILES } from '../model/graph-files.js';
import type { RemoteFile } from './remote.js';

const NETWORKS = ['text_encoder', 'unet', 'vae_decoder'] as const;
const TOKENIZER = ['tokenizer.json', 'vocab.json', 'merges.txt', 'tokenizer_config.json', 'special_tokens_map.json'];
const ELSEWHERE = ['t2i.json', 'model_index.json', 'scheduler/scheduler_config.json', 'vae/config.json'];

/** Graph that every network has, and those in half precision that share its weights where our own exporter wrote them. */
const GRAPH = GRAPH_FILES.fp32;
const HALF_GRAPHS: readonly string[] = [GRAPH_FILES.fp16, GRAPH_FILES.bf16];

/** What else lies beside a graph: weights of other frameworks, engines (which are code, and fit one GPU), and pictures of graphs. */
const OTHERS =
  /\.(safetensors|bin|pt|pth|ckpt|pkl|msgpack|h5|ot|gguf|tflite|mlmodel|xml|engine|plan|trt|mar|md|png|jpe?g|py|zip|tar|gz)$|\.index\.json$/i;

/** Largest models that are fetched. */
const MOST_FILES = 200;
const MOST_BYTES = 64 * 2 ** 30;

/**
 * The files of a repository that the model needs: manifest, graphs in one precision with their weights, configurations, tokenizer,
 * scheduler.
 *
 * @throws T2IError MODEL_INVALID where graphs are missing, with how to export them where there are weights of PyTorch;
 *   DOWNLOAD_INVALID for more than any model has
 */
export function chooseFiles(repo: string, files: readonly RemoteFile[]): RemoteFile[] {
  const paths = new Set(files.map(({ path }) => path));
  refuseWithoutGraphs(repo, paths);
  const chosen = files.filter(({ path }) => isNeeded(path, paths)).sort((a, b) => (a.path < b.path ? -1 : 1));
  const bytes = chosen.reduce((sum, file) => sum + file.bytes, 0);
  if (chosen.length > MOST_FILES || bytes > MOST_BYTES) {
    const most = `at most ${MOST_FILES} files and ${MOST_BYTES} bytes`;
    throw new T2IError(
      'DOWNLOAD_INVALID',
      `${repo}: expected ${most}, found ${chosen.length} files and ${bytes} bytes`,
      {
        hint: 'Fetch it by other means if you trust it, and give the folder: --model DIR',
      },
    );
  }
  return chosen;
}

function isNeeded(path: string, all: ReadonlySet<string>): boolean {
  if (ELSEWHERE.includes(path)) return true;
  const [folder, name] = [posix.dirname(path), posix.basename(path)];
  if (folder === 'tokenizer') return TOKENIZER.includes(name);
  return NETWORKS.some((network) => network === folder) && isOfNetwork(name, folder, all);
}

/** Weights outside a graph have any name; those that start with the name of another graph are that one's. */
function isOfNetwork(name: string, folder: string, all: ReadonlySet<string>): boolean {
  if (name === GRAPH) return true;
  // Without our manifest, nothing says that the graphs share their weights.
  if (HALF_GRAPHS.includes(name)) return all.has('t2i.json');
  if (name.endsWith('.onnx') || OTHERS.test(name)) return false;
  const graphs = [...all].filter((path) => posix.dirname(path) === folder && path.endsWith('.onnx'));
  const owner = graphs.map((path) => posix.basename(path)).find((graph) => graph !== GRAPH && name.startsWith(graph));
  return owner === undefined || (HALF_GRAPHS.includes(owner) && all.has('t2i.json'));
}

function refuseWithoutGraphs(repo: string, paths: ReadonlySet<string>): void {
  const missing = NETWORKS.map((network) => `${network}/${GRAPH}`).filter((path) => !paths.has(path));
  if (missing.length === 0) return;
  const torch = [...paths].some((path) => /\.(safetensors|bin|ckpt|pt|pth)$/.test(path));
  const issues = missing.map((option) => ({ option, expected: 'a file', received: 'none' }));
  const message = `${repo} is no model that can run here: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`;
  throw new T2IError('MODEL_INVALID', torch ? `${message}; it has weights of PyTorch` : message, {
    issues,
    hint: torch
      ? `Export it to ONNX first, then give the folder: optimum-cli export onnx --model ${repo} DIR && t2i inspect DIR`
      : 'Name a repository of a Stable Diffusion model that holds ONNX graphs.',
  });
}
