import { join } from 'node:path';
import { type HistoryEntry, PROMOTIONS, readEntries, rejectedModels, writeEntries } from '../history.js';
import { modelKey } from '../records.js';

/** What a project promoted for itself before it joined others, or while it did not share. */
const OWN_FILE = 'own-history.jsonl';

const fileOf = (project: string) => join(project, PROMOTIONS, OWN_FILE);

/** Keeps the entries of a project's history that the shared one, which takes its place, does not have. @throws T2IError */
export async function keepOwn(
  project: string,
  local: readonly HistoryEntry[],
  shared: readonly HistoryEntry[],
): Promise<void> {
  const kept = await readEntries(fileOf(project));
  const known = new Set([...shared, ...kept].map(identity));
  // What is merely found, somebody else promoted.
  const lost = local.filter((entry) => entry.action !== 'found' && !known.has(identity(entry)));
  if (lost.length > 0) await writeEntries(fileOf(project), [...kept, ...lost]);
}

/** Models that somebody went back from in this project, and that were not promoted where it shares. @throws T2IError */
export async function rejectedHere(project: string, shared: readonly HistoryEntry[]): Promise<Set<string>> {
  const rejected = rejectedModels(await readEntries(fileOf(project)));
  for (const { model } of shared) rejected.delete(modelKey(model));
  return rejected;
}

function identity({ action, time, model }: HistoryEntry): string {
  return `${action} ${time} ${model.version} ${modelKey(model)}`;
}
