import { type Inspection, loadAddon, openEager } from '../../../backends/engines.js';
import { resolveModel } from '../../../model/resolve.js';
import { loadTokenizer } from '../../../model/tokenizer.js';
import type { LoadOptions } from '../../../options.js';
import { Pipeline } from '../../../pipeline.js';
import { EngineProgress } from '../../engines/open-progress.js';
import { type Io, sleep } from '../../io.js';
import { loadPipeline } from '../../load-pipeline.js';
import { readModel } from '../../read-model.js';
import { StatusLine } from '../../status-line.js';
import { type Check, check } from './check.js';
import { checkEngine } from './engine-check.js';
import { checkGraph, checkImage } from './image-check.js';
import { checkStep } from './step-check.js';
import { measureSteps } from './step-speed.js';

/** What was checked on the GPU, or why nothing could be. */
export type SelfCheck =
  | { readonly measured: true; readonly device: string; readonly checks: readonly Check[] }
  | { readonly measured: false; readonly reason: string; readonly hint: string };

/**
 * Checks that this machine's GPU computes what the host computes: the step kernel bit for bit, an engine, a captured step, an image;
 * and times its steps.
 * The images are the default model's.
 */
export async function selfCheck({ addon, devices }: Inspection, io: Io): Promise<SelfCheck> {
  if ('reason' in addon) return { measured: false, ...addon };
  const [device] = devices?.devices ?? [];
  if (!devices?.available || !device) {
    return { measured: false, reason: devices?.reason ?? '', hint: devices?.hint ?? '' };
  }
  const { signal } = io;
  const dir = await resolveModel();
  const steps = await check('step kernel', signal, () => checkStep(loadAddon().addon, device.index));
  const engine = await check('engine', signal, async () => {
    const progress = new EngineProgress(io);
    try {
      return await checkEngine(await readModel(dir, io), signal, progress.update);
    } finally {
      progress.clear();
    }
  });
  const load = { model: dir, backend: 'tensorrt', strict: true };
  const graph = await check('graph', signal, async () => {
    await using gpu = await loadPipeline(load, io);
    return await checkGraph(gpu, signal);
  });
  const speed = await check('step speed', signal, async () => {
    await using eager = await loadEager(load, io);
    await using replaying = await loadPipeline(load, io);
    return await measureSteps(eager, replaying, signal, (milliseconds) => pause(io, milliseconds));
  });
  const image = await check('image', signal, async () => {
    await using gpu = await loadPipeline(load, io);
    await using cpu = await loadPipeline({ model: dir, backend: 'onnxruntime' }, io);
    return await checkImage(gpu, cpu, signal);
  });
  return { measured: true, device: device.name, checks: [steps, engine, graph, speed, image] };
}

/** As `loadPipeline` does it, but each step is queued by itself. */
async function loadEager(load: LoadOptions, io: Io): Promise<Pipeline> {
  const model = await readModel(load.model, io);
  const session = await openEager(model, { ...load, signal: io.signal });
  const backend = { name: 'tensorrt', runtime: session.runtime, tried: [] };
  return new Pipeline({ model, tokenizer: await loadTokenizer(model), session, backend });
}

async function pause(io: Io, milliseconds: number): Promise<void> {
  const line = new StatusLine(io);
  line.show(`waiting ${milliseconds / 1000} s before steps are timed again`);
  try {
    await sleep(io, milliseconds);
  } finally {
    line.clear();
  }
}
