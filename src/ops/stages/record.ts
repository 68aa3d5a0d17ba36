import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { isRecord } from '../../fields.js';
import { makeFolder, writeJsonFile } from '../../files.js';
import type { Stage } from './stage.js';

/** Folder of a project with what this machine knows of it; it can be deleted at any time. */
export const STATE_FOLDER = '.t2i';
const RECORD_FILE = 'stages.json';

const hashes = z.record(z.string(), z.string());
/** What a stage was run with, and what it made. */
const RAN = z.object({
  commands: z.array(z.array(z.string())),
  params: z.record(z.string(), z.unknown()),
  /** SHA-256 in hex by path. */
  inputs: hashes,
  outputs: hashes,
});
export type Ran = z.output<typeof RAN>;

/** When each stage of a project ran last, by name. Where nothing readable is left, none ever did. */
export async function readRecord(project: string): Promise<Map<string, Ran>> {
  try {
    const value: unknown = JSON.parse(await readFile(join(project, STATE_FOLDER, RECORD_FILE), 'utf8'));
    return new Map(
      Object.entries(isRecord(value) ? value : {}).flatMap(([name, ran]) => {
        const parsed = RAN.safeParse(ran);
        return parsed.success ? [[name, parsed.data]] : [];
      }),
    );
  } catch {
    return new Map();
  }
}

/** @throws T2IError IO_FAILED */
export async function writeRecord(project: string, record: ReadonlyMap<string, Ran>): Promise<void> {
  await makeFolder(join(project, STATE_FOLDER));
  await writeJsonFile(join(project, STATE_FOLDER, RECORD_FILE), Object.fromEntries(record));
}

/** Why a stage is to run, in words; null where it is up to date. */
export function whyToRun(
  { commands, params }: Stage,
  inputs: Readonly<Record<string, string | null>>,
  outputs: Readonly<Record<string, string | null>>,
  ran: Ran | undefined,
): string | null {
  if (ran === undefined) return 'it never ran';
  if (!isDeepStrictEqual(commands, ran.commands)) return 'its command changed';
  const [input] = changed(inputs, ran.inputs);
  if (input !== undefined) return `${input} changed`;
  const [param] = changed(params, ran.params).map((name) => deepest(name, params[name], ran.params[name]));
  if (param !== undefined) return `${param} changed`;
  for (const [path, hash] of Object.entries(outputs)) {
    if (hash === null) return `${path} is missing`;
    if (hash !== ran.outputs[path]) return `${path} is not what it made`;
  }
  return null;
}

type Values = Readonly<Record<string, unknown>>;

function changed(now: Values, before: Values): string[] {
  const names = new Set([...Object.keys(now), ...Object.keys(before)]);
  return [...names].filter((name) => !isDeepStrictEqual(now[name], before[name]));
}

/** The name of the value that differs, as far down as there is one. */
function deepest(name: string, now: unknown, before: unknown): string {
  if (!isRecord(now) || !isRecord(before)) return name;
  const [key] = changed(now, before);
  return key === undefined ? name : deepest(`${name}.${key}`, now[key], before[key]);
}
