import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { T2IError } from '../../errors.js';
import { cannotRead } from '../../files.js';
import { staysInside } from '../transfer/tree.js';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256');

/** What a finished run says of its best model (`runs/<name>/run.json`, which the trainer writes last). */
export const RUN = z.object({
  run_name: z.string().min(1),
  /** Mean squared error on the validation set; null where it is no number. */
  best_val_diffuser_loss: z.number().nullable(),
  best_step: z.int().min(0),
  config_hash: sha256,
  /** What the loss depends on beside the weights. */
  validation: z.record(z.string(), z.unknown()),
  /** Files of the model, below `runs/<name>/best`. */
  files: z.record(z.string().max(500).refine(staysInside), z.object({ bytes: z.int().min(0), sha256 })),
});
export type RunRecord = z.output<typeof RUN>;

/** What is promoted: a run's record, and how it came to be promoted (`model_metadata.json`). */
export const METADATA = RUN.extend({
  /** Counts promotions, from 1. Records from before there was a history have none. */
  version: z.int().min(1).default(1),
  /** When; null in records from before there was a history. */
  promoted_at: z.iso.datetime().nullable().default(null),
  /** Why the rule was overruled; null where it was not. */
  forced: z.string().nullable(),
  /** The run that was promoted before. */
  replaces: z.string().nullable(),
});
export type PromotedModel = z.output<typeof METADATA>;

export const METADATA_FILE = 'model_metadata.json';

const RESTORE = 'Restore it (git, dvc checkout), or move it away if what it describes is to be forgotten.';

/** Stands for the content of a model: two runs with the same files are the same model. */
export function modelKey({ files }: Pick<RunRecord, 'files'>): string {
  const sorted = Object.entries(files).sort(([one], [other]) => (one < other ? -1 : 1));
  const text = JSON.stringify(sorted.map(([path, { bytes, sha256 }]) => [path, bytes, sha256]));
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** Finished runs of a project. @throws T2IError DATA_INVALID for a record that is damaged, IO_FAILED */
export async function readRuns(project: string): Promise<RunRecord[]> {
  const names = await readdir(join(project, 'runs')).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw cannotRead(join(project, 'runs'), cause);
  });
  const records = await Promise.all(
    names.sort().map((name) => readRecord(join(project, 'runs', name, 'run.json'), RUN)),
  );
  return records.filter((record) => record !== null);
}

/** What is promoted now; null where nothing is. @throws T2IError DATA_INVALID: a damaged record is never taken for none */
export async function readPromoted(folder: string): Promise<PromotedModel | null> {
  return readRecord(join(folder, METADATA_FILE), METADATA);
}

async function readRecord<T>(path: string, schema: z.ZodType<T>): Promise<T | null> {
  const text = await readOrNull(path);
  return text === null ? null : parseRecord(text, path, schema);
}

/** A file's text; null where there is none. @throws T2IError IO_FAILED */
export async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return null;
    throw cannotRead(path, cause);
  }
}

/**
 * @param path what the text is called in messages
 * @param hint what to do where it is damaged
 * @throws T2IError DATA_INVALID
 */
export function parseRecord<T>(text: string, path: string, schema: z.ZodType<T>, hint = RESTORE): T {
  const problem = (message: string, cause?: unknown) =>
    new T2IError('DATA_INVALID', `${path} is damaged: ${message}`, { hint, cause });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw problem((cause as Error).message, cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw problem(parsed.error.issues.map(({ path: at, message }) => `${at.join('.') || 'it'}: ${message}`).join('; '));
}
