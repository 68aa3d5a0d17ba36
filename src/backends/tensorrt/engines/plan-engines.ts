import type { ModelDescription } from '../../../model/description.js';
import type { NetworkName } from '../../backend.js';
import { type Component, componentOf, NETWORKS } from './components.js';
import type { Candidate } from './engine-cache.js';
import { type EngineSource, engineSources } from './engine-source.js';
import { type EngineOptions, EngineTask, WORKSPACE_BYTES } from './engine-task.js';
import type { InputShapes, Precision } from './header.js';
import { estimateMemory, type MemoryEstimate, memoryWarning } from './memory.js';
import type { EngineProfile } from './profiles.js';
import type { EngineTarget } from './target.js';

/** What {@link ensureEngines} would do about one network. */
export interface PlannedEngine {
  readonly component: Component;
  /** Where the engine lies, or would. */
  readonly path: string;
  /** Whether the cache has one that fits; its plan is not checked. */
  readonly present: boolean;
  /** Graph in the component's folder that it is built from. */
  readonly from: string;
  readonly precision: Precision;
  readonly shapes: readonly InputShapes[];
  readonly memory: MemoryEstimate;
  /** What of it is short; null where the build fits. */
  readonly warning: string | null;
}

export interface EnginePlan {
  readonly target: EngineTarget;
  readonly profile: EngineProfile;
  readonly engines: readonly PlannedEngine[];
}

/** Says what would be built; builds and writes nothing. @throws T2IError OPTION_INVALID, MODEL_INVALID */
export async function planEngines(options: EngineOptions): Promise<EnginePlan> {
  const task = await EngineTask.prepare(options);
  const engines = await Promise.all(NETWORKS.map((network) => planOne(task, network)));
  return { target: task.target, profile: task.profile, engines };
}

async function planOne(task: EngineTask, network: NetworkName): Promise<PlannedEngine> {
  const [source] = task.sourcesOf(network) as [EngineSource];
  const found = await findFitting(task, network);
  const device = task.target.gpu === null ? null : task.options.device;
  const memory = estimateMemory(source, { workspaceBytes: WORKSPACE_BYTES, device });
  const component = componentOf(network);
  return {
    component,
    path: found?.path ?? task.cache.pathOf(task.identity(source)),
    present: found !== null,
    from: source.file,
    precision: source.precision,
    shapes: task.shapesOf(network),
    memory,
    warning: memoryWarning(component, memory, { hostBytes: process.availableMemory(), device }),
  };
}

async function findFitting(task: EngineTask, network: NetworkName): Promise<Candidate | null> {
  for (const source of task.sourcesOf(network)) {
    const [found] = await task.fitting(source);
    if (found) return found;
  }
  return null;
}

/** Hashes of every graph that engines of the model may be built from, as their headers hold them; for `pruneEngines`. */
export async function sourceHashes(model: ModelDescription): Promise<string[]> {
  const sources = await Promise.all(NETWORKS.map((network) => engineSources(model, network)));
  return sources.flat().map((source) => source.sha256);
}
