import { dirname, join } from 'node:path';
import { z } from 'zod';
import { makeFolder, writeFileAtomic } from '../../files.js';
import { METADATA, modelKey, type PromotedModel, parseRecord, readOrNull } from './records.js';

/** Folder of a project that promotion keeps its records and earlier versions in. */
export const PROMOTIONS = 'promotions';
const HISTORY_FILE = 'history.jsonl';

/** One act of promotion, a line of `promotions/history.jsonl`. */
export const ENTRY = z.object({
  time: z.iso.datetime(),
  /** `found`: another version was there, brought back by other means, such as `dvc checkout`. */
  action: z.enum(['promoted', 'rolled-back', 'found']),
  /** The version that was promoted until then; null where none was. */
  from: z.int().min(1).nullable(),
  /** What is promoted from then on. */
  model: METADATA,
});
export type HistoryEntry = z.output<typeof ENTRY>;

function historyFile(project: string): string {
  return join(project, PROMOTIONS, HISTORY_FILE);
}

/** All that was ever promoted, the oldest first. @throws T2IError DATA_INVALID for a line that is damaged, IO_FAILED */
export async function readHistory(project: string): Promise<HistoryEntry[]> {
  return readEntries(historyFile(project));
}

/** The entries of a file of them, a line each; none where there is no such file. @throws T2IError as {@link readHistory} */
export async function readEntries(path: string): Promise<HistoryEntry[]> {
  const lines = ((await readOrNull(path)) ?? '').split('\n');
  return lines.flatMap((line, at) => (line === '' ? [] : [parseRecord(line, `${path}, line ${at + 1},`, ENTRY)]));
}

/** Writes the whole history anew: a kill leaves the old one or the new one. @throws T2IError IO_FAILED */
export async function writeHistory(project: string, history: readonly HistoryEntry[]): Promise<void> {
  await writeEntries(historyFile(project), history);
}

/** @throws T2IError IO_FAILED */
export async function writeEntries(path: string, history: readonly HistoryEntry[]): Promise<void> {
  await makeFolder(dirname(path));
  const text = history.map((entry) => `${JSON.stringify(entry)}\n`).join('');
  await writeFileAtomic(path, Buffer.from(text));
}

/** The history after a model took the place of what is promoted. */
export function withEntry(
  { promoted, history }: { readonly promoted: PromotedModel | null; readonly history: readonly HistoryEntry[] },
  action: 'promoted' | 'rolled-back',
  model: PromotedModel,
): HistoryEntry[] {
  // Of a promotion, the time that its record says: so what a kill keeps from being written down is known again.
  const time = (action === 'promoted' ? model.promoted_at : null) ?? new Date().toISOString();
  return [...history, { time, action, from: promoted?.version ?? null, model }];
}

/** The entry of a model that is promoted though the history ends with another; null where it agrees. */
export function missingEntry(history: readonly HistoryEntry[], promoted: PromotedModel): HistoryEntry | null {
  const key = modelKey(promoted);
  const last = history.at(-1);
  if (last !== undefined && last.model.version === promoted.version && modelKey(last.model) === key) return null;
  const known = history.some(({ model }) => modelKey(model) === key);
  const time = promoted.promoted_at ?? new Date().toISOString();
  return { time, action: known ? 'found' : 'promoted', from: last?.model.version ?? null, model: promoted };
}

/** Each version once, the oldest first. */
export function versionsOf(history: readonly HistoryEntry[]): PromotedModel[] {
  const versions = new Map(history.map(({ model }) => [model.version, model]));
  return [...versions.values()].sort((one, other) => one.version - other.version);
}

/** What a version took the place of when it was promoted, and what that one did before it: the last first. */
export function replacedBy(history: readonly HistoryEntry[], version: number): PromotedModel[] {
  const models = new Map(history.map(({ model }) => [model.version, model]));
  const found: PromotedModel[] = [];
  for (let at = version; ; ) {
    // The first entry of a version is that of its promotion.
    const from = history.find(({ model }) => model.version === at)?.from;
    const model = models.get(from ?? at);
    if (model === undefined || model.version >= at) return found;
    found.push(model);
    at = model.version;
  }
}

/** The number of the next promotion. */
export function nextVersion(history: readonly HistoryEntry[]): number {
  return Math.max(0, ...history.map(({ model }) => model.version)) + 1;
}

/**
 * Keys of the models that somebody went back from: they are not promoted again by themselves, however low their loss, until somebody
 * promotes one by name or by force.
 */
export function rejectedModels(history: readonly HistoryEntry[]): Set<string> {
  const keys = new Map(history.map(({ model }) => [model.version, modelKey(model)]));
  const rejected = new Set<string>();
  for (const { action, from, model } of history) {
    const left = from === null ? undefined : keys.get(from);
    if (action === 'rolled-back' && left !== undefined) rejected.add(left);
    // What is merely found there, as where a rollback was stopped before it was done, nobody asked for.
    if (action !== 'found') rejected.delete(modelKey(model));
  }
  return rejected;
}
