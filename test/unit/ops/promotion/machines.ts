import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { readHistory } from '../../../../src/ops/promotion/history.js';
import { type PromoteOptions, promote } from '../../../../src/ops/promotion/promote.js';
import { type RollbackOptions, rollback } from '../../../../src/ops/promotion/rollback.js';
import { MemoryPlace } from './memory-place.js';
import { expectNeverWorse, readPromotedModel, writeRun } from './tiny-runs.js';

let root: string;
/** What the machines of a test share, anew for each. */
export let shared: MemoryPlace;

/** Makes the shared place of each test, and looks at its history in the end. */
export function freshPlace(): void {
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 't2i-shared-'));
    shared = new MemoryPlace();
  });
  afterEach(() => {
    shared.expectOneHistory();
    expectNeverWorse(shared.history);
    rmSync(root, { recursive: true });
  });
}

const { signal } = new AbortController();
/** A project on a machine of its own. */
export function machine(name: string) {
  const project = mkdtempSync(join(root, `${name}-`));
  const common = () => ({ project, target: 'saved_models', keep: 3, signal, shared });
  const adopted: number[] = [];
  const onAdopt: PromoteOptions['onAdopt'] = ({ version }) => adopted.push(version);
  return {
    project,
    adopted,
    train: (run: string, loss: number) => writeRun(project, run, loss),
    promote: (more: Partial<PromoteOptions> = {}) =>
      promote({ ...common(), minDelta: 0, dryRun: false, onAdopt, ...more }),
    /** Trains and promotes runs, each with its loss, in this project alone. */
    promoteAlone: async (runs: Readonly<Record<string, number>>) => {
      for (const [run, loss] of Object.entries(runs)) {
        writeRun(project, run, loss);
        await promote({ ...common(), minDelta: 0, dryRun: false, shared: undefined });
      }
    },
    back: (more: Partial<RollbackOptions> = {}) => rollback({ ...common(), ...more }),
    promoted: () => readPromotedModel(project),
    metadata: () => readFileSync(join(project, 'saved_models/model_metadata.json'), 'utf8'),
    history: () => readHistory(project),
    forget: (...paths: string[]) => {
      for (const path of paths) rmSync(join(project, path), { recursive: true });
    },
    /** Paths and times of all files. */
    files: () =>
      readdirSync(project, { recursive: true, encoding: 'utf8' })
        .sort()
        .map((path) => [path, statSync(join(project, path))] as const)
        .flatMap(([path, info]) => (info.isFile() ? [[path, info.mtimeMs]] : [])),
  };
}
export type Machine = ReturnType<typeof machine>;

/** Lets another machine do something while one is at its first call of a kind. */
export function meanwhile(call: MemoryPlace['calls'][number], work: () => Promise<unknown>): void {
  shared.before = async (now) => {
    if (now !== call) return;
    shared.before = async () => {};
    await work();
  };
}
export const weightsOf = (one: Machine) => one.promoted().weights;
