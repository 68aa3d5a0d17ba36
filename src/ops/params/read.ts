import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Document, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { describeIssues, type Issue, T2IError } from '../../errors.js';
import { describeValue, distinctIssues, isRecord, unknownOption } from '../../fields.js';
import { cannotRead } from '../../files.js';
import { checkParams } from './check.js';
import { factsOf } from './facts.js';
import type { Place } from './places.js';
import { PARAMS, type Params } from './schema.js';
import { findSecrets, isSecretKey } from './secrets.js';

export const PARAMS_FILE = 'params.yaml';
export const TEMPLATE_FILE = 'params.yaml.template';

export interface ReadParams {
  readonly params: Params;
  readonly warnings: readonly string[];
}

export interface ReadOptions {
  /** Whether the images and models must be there that a training takes; other commands go without. */
  readonly trains?: boolean;
  /** Where the training runs, in place of pytorch_estimator.train_on. */
  readonly place?: Place;
  /** Parameters that flags of a command replace, before the rules between them are checked. */
  readonly replace?: ((params: Params) => Params) | undefined;
}

/**
 * The parameters of a project, checked.
 *
 * @param folder of the project
 * @throws T2IError OPTION_INVALID with every mistake: unknown keys with the nearest name, values, secrets, and rules between keys
 */
export async function readParams(folder: string, options: ReadOptions = {}): Promise<ReadParams> {
  const { issues, ...read } = await readParamsToCheck(folder, options);
  refuseParams(issues);
  return read;
}

/**
 * As {@link readParams}, for whoever has more to check.
 *
 * @returns also the rules between keys that are broken, to be refused with everything else that is wrong
 * @throws T2IError OPTION_INVALID where a key is wrong by itself
 */
export async function readParamsToCheck(
  folder: string,
  { trains = false, place, replace = (params) => params }: ReadOptions = {},
): Promise<ReadParams & { readonly issues: readonly Issue[] }> {
  const value = parseYaml(PARAMS_FILE, await readText(folder));
  const secrets = findSecrets(value);
  const parsed = PARAMS.safeParse(value);
  const told = new Set(secrets.map(({ option }) => option));
  const own = parsed.success ? [] : issuesOf(parsed.error, value);
  const issues = [...own.filter(({ option }) => !told.has(option)), ...secrets];
  // Rules between keys are worth telling only where each key is right by itself.
  if (!parsed.success) refuseParams(issues);
  const params = replace(parsed.data as Params);
  const facts = await factsOf(folder, params, trains);
  const findings = checkParams(params, facts, place ?? params.pytorch_estimator.train_on);
  return { params, warnings: findings.warnings, issues: [...issues, ...findings.issues] };
}

/** Issues with the name of the file that they are in. */
export function inFile(issues: readonly Issue[], file = PARAMS_FILE): Issue[] {
  return issues.map((found) => ({ ...found, option: `${file}: ${found.option}` }));
}

/** @throws T2IError OPTION_INVALID with the issues, where there are any */
export function refuseParams(issues: readonly Issue[], file = PARAMS_FILE): void {
  if (issues.length === 0) return;
  throw new T2IError('OPTION_INVALID', `${file}: ${describeIssues(issues)}`, {
    issues: inFile(issues, file),
    hint: `Correct ${file}, then run t2i params check.`,
  });
}

/**
 * A YAML text as plain values; an empty one is an empty object.
 *
 * @throws T2IError OPTION_INVALID with every mistake, and the line and column that the parser names
 */
export function parseYaml(file: string, text: string): unknown {
  const lines = new LineCounter();
  // Warnings of the parser would go to the terminal past everything of this program.
  const document = parseDocument(text, { uniqueKeys: true, lineCounter: lines, logLevel: 'error' });
  refuseYaml(file, document.errors);
  refuseYaml(file, endlessAliases(document, lines));
  try {
    // Aliases are not followed without end: a small file could otherwise stand for gigabytes.
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (cause) {
    refuseYaml(file, [cause as Error]);
  }
}

/** Aliases of what they are a part of: nothing that reads the values would come to an end. */
function endlessAliases(document: Document, lines: LineCounter): Error[] {
  const errors: Error[] = [];
  visit(document, {
    Alias(_, alias, path) {
      if (!path.some((node) => node === alias.resolve(document))) return;
      const { line, col } = lines.linePos(alias.range?.[0] ?? 0);
      errors.push(new Error(`*${alias.source} stands for what it is itself a part of, at line ${line}, column ${col}`));
    },
  });
  return errors;
}

function refuseYaml(file: string, errors: readonly Error[]): void {
  if (errors.length === 0) return;
  const issues = errors.map(({ message }): Issue => {
    const [first = message] = message.split('\n');
    return { option: file, expected: 'valid YAML', received: 'other text', problem: shorten(first.replace(/:$/, '')) };
  });
  throw new T2IError('OPTION_INVALID', describeIssues(issues), { issues, hint: `Correct ${file}.` });
}

/** A message that may quote a whole file, with its start and the place at its end. */
function shorten(message: string): string {
  return message.length <= 200 ? message : `${message.slice(0, 100)} … ${message.slice(-40)}`;
}

async function readText(folder: string): Promise<string> {
  const path = join(folder, PARAMS_FILE);
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cannotRead(path, cause);
    const names: string[] = await readdir(folder).catch(() => []);
    throw new T2IError('OPTION_INVALID', `There is no ${PARAMS_FILE} in ${folder}`, {
      hint: names.includes(TEMPLATE_FILE)
        ? `cp ${TEMPLATE_FILE} ${PARAMS_FILE}`
        : 'Change into the folder of a project, or make one: t2i init my-project',
      cause,
    });
  }
}

/** The mistakes that zod found, each once. */
export function issuesOf({ issues }: z.ZodError, value: unknown): Issue[] {
  return distinctIssues(issues.flatMap((found) => issuesFrom(found, value)));
}

/** The message of an issue is what was expected. */
function issuesFrom(found: z.core.$ZodIssue, value: unknown): Issue[] {
  const path = found.path.map(String);
  const option = path.join('.') || 'the file';
  if (found.code !== 'unrecognized_keys') {
    const received = describeValue(valueAt(value, path));
    return [{ option, expected: isWhole(path) ? 'an object' : found.message, received }];
  }
  const section = schemaAt(path);
  return found.keys.map((key) => {
    const name = [...path, key].join('.');
    if (!isSecretKey(name)) return { ...unknownOption(key, Object.keys(section)), option: name };
    const problem = 'does not belong here: secrets come from the environment or .env; delete the line';
    return { option: name, expected: 'nothing', received: 'a placeholder', problem };
  });
}

const isWhole = (path: readonly string[]) => path.length < 2;

function schemaAt([section]: readonly string[]): Readonly<Record<string, unknown>> {
  if (section === undefined) return PARAMS.shape;
  return PARAMS.shape[section as keyof Params].unwrap().shape;
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce((inner: unknown, key) => {
    if (Array.isArray(inner)) return inner[Number(key)];
    return isRecord(inner) ? inner[key] : undefined;
  }, value);
}
