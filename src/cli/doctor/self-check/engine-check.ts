import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadProgress, NetworkName } from '../../../backends/backend.js';
import { componentOf, NETWORKS, tryEngine } from '../../../backends/engines.js';
import type { ModelDescription } from '../../../model/description.js';
import { formatSeconds } from '../../quantities.js';
import type { Finding } from './check.js';

/** Builds the model's smallest network into a folder that is removed again, runs it and compares it with the CPU. */
export async function checkEngine(
  model: ModelDescription,
  signal: AbortSignal,
  onProgress: (progress: LoadProgress) => void,
): Promise<Finding> {
  const network = await smallestNetwork(model);
  const dir = await mkdtemp(join(tmpdir(), 't2i-self-check-'));
  try {
    const start = performance.now();
    const { header } = await tryEngine(model, network, { dir, signal, onProgress });
    const seconds = (performance.now() - start) / 1000;
    const what = `${header.component} built by ${header.runtime} ${header.tensorrt} and run in ${header.precision}`;
    if (header.accuracy === null) return { ok: false, detail: `${what}, but not checked`, numbers: { seconds } };
    const { similarity, largestError, against } = header.accuracy;
    const apart = `similarity ${similarity.toFixed(6)} and largest error ${largestError.toFixed(5)} against ${against}`;
    const detail = `${what} in ${formatSeconds(seconds)}: ${apart}`;
    return { ok: true, detail, numbers: { seconds, similarity, largestError } };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** By the bytes of its graph and weights. */
async function smallestNetwork({ dir, hashes }: ModelDescription): Promise<NetworkName> {
  const sizes = NETWORKS.map(async (network) => {
    const files = Object.keys(hashes).filter((path) => path.startsWith(`${componentOf(network)}/`));
    const bytes = await Promise.all(files.map(async (path) => (await stat(join(dir, path))).size));
    return { network, bytes: bytes.reduce((sum, size) => sum + size, 0) };
  });
  const [smallest] = (await Promise.all(sizes)).sort((a, b) => a.bytes - b.bytes);
  return smallest!.network;
}
