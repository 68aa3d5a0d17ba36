import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { T2IError } from '../../errors.js';
import { cannotRead } from '../../files.js';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256');
const PATH = /^(?!\/)(?!.*\\)(?!(.*\/)?\.\.?(\/|$))[^\0]{1,500}$/;

/** What a finished run says of its best model (`runs/<name>/run.json`, which the trainer writes last). */
const RUN = z.object({
  run_name: z.string().min(1),
  /** Mean squared error on the validation set; null where it is no number. */
  best_val_diffuser_loss: z.number().nullable(),
  best_step: z.int().min(0),
  config_hash: sha256,
  /** What the loss depends on beside the weights. */
  validation: z.record(z.string(), z.unknown()),
  /** Files of the model, below `runs/<name>/best`. */
  files: z.record(z.string().regex(PATH), z.object({ bytes: z.int().min(0), sha256 })),
});
export type RunRecord = z.output<typeof RUN>;

/** What is promoted: a run's record, and how it came to be promoted (`model_metadata.json`). */
const METADATA = RUN.extend({
  /** Why the rule was overruled; null where it was not. */
  forced: z.string().nullable(),
  /** The run that was promoted before. */
  replaces: z.string().nullable(),
});
export type PromotedModel = z.output<typeof METADATA>;

export const METADATA_FILE = 'model_metadata.json';

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
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return null;
    throw cannotRead(path, cause);
  }
  const problem = (message: string, cause?: unknown) =>
    new T2IError('DATA_INVALID', `${path} is damaged: ${message}`, {
      hint: 'Restore it (git, dvc checkout), or move it away if what it describes is to be forgotten.',
      cause,
    });
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
