import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Issue, T2IError } from '../../errors.js';
import { isRecord, refuse, unknownOption } from '../../fields.js';
import { cannotRead } from '../../files.js';
import { parseYaml } from '../params/read.js';
import type { Params } from '../params/schema.js';
import { inOrder } from './order.js';
import type { Stage } from './stage.js';

const DVC_FILE = 'dvc.yaml';

const path = z.string('a path');
const file = z.union([path, z.record(path, z.unknown())], 'a path');
/** What is understood of DVC's stages: those of `t2i init`, and others like them. */
const STAGE = z.strictObject({
  cmd: z.union([z.string(), z.array(z.string())], 'a command line, or a list of them'),
  desc: z.string('text').optional(),
  deps: z.array(path, 'a list of paths').default([]),
  params: z.array(z.string('a parameter of params.yaml'), 'a list of parameters').default([]),
  outs: z.array(file, 'a list of paths').default([]),
  metrics: z.array(file, 'a list of paths').default([]),
});
const FILE = z.strictObject({ stages: z.record(z.string(), STAGE, 'stages by name') });

/** How a command line of `t2i init` begins. */
const PROGRAM = ['npx', '--no', '--', 't2i'];
/** Words as a shell reads them where nothing in them means anything to it. */
const WORD = /^(?:[\w@%+=:,./-]+|"[^"$`\\!]*"|'[^']*')$/;

/**
 * The stages of a project, in the order they are run in: its `dvc.yaml`, with the values of its parameters.
 *
 * @throws T2IError OPTION_INVALID with every mistake, and with what only DVC itself understands; IO_FAILED
 */
export async function readStages(project: string, params: Params): Promise<Stage[]> {
  const text = await readFile(join(project, DVC_FILE), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cannotRead(join(project, DVC_FILE), cause);
    throw new T2IError('OPTION_INVALID', `There is no ${DVC_FILE} in ${project}`, {
      hint: 'Change into the folder of a project, or make one: t2i init my-project',
      cause,
    });
  });
  const parsed = FILE.safeParse(parseYaml(DVC_FILE, text));
  if (!parsed.success) refuse(parsed.error.issues.flatMap(issuesOf));
  const issues: Issue[] = [];
  const stages = Object.entries(parsed.data?.stages ?? {}).map(([name, stage]): Stage => {
    const reader = new StageReader(name, params, issues);
    return {
      name,
      commands: [stage.cmd].flat().flatMap((line) => reader.commands(line)),
      inputs: stage.deps.map((dep) => reader.fill(dep, 'deps')),
      params: Object.fromEntries(stage.params.map((key) => [key, reader.param(key)])),
      outputs: [...stage.outs, ...stage.metrics].flatMap((out) =>
        (typeof out === 'string' ? [out] : Object.keys(out)).map((each) => reader.fill(each, 'outs')),
      ),
    };
  });
  refuse(issues);
  return inOrder(stages);
}

/** Reads the texts of one stage, and notes what cannot be read. */
class StageReader {
  readonly #at: string;
  readonly #params: Params;
  readonly #issues: Issue[];

  constructor(name: string, params: Params, issues: Issue[]) {
    this.#at = `${DVC_FILE}: stages.${name}`;
    this.#params = params;
    this.#issues = issues;
  }

  /** A parameter by name, a whole section or one of its keys. */
  param(name: string, field = 'params'): unknown {
    let value: unknown = this.#params;
    for (const key of name.split('.')) {
      if (!isRecord(value) || !Object.hasOwn(value, key)) {
        const known = isRecord(value) ? Object.keys(value) : [];
        this.#issues.push({ ...unknownOption(key, known), option: `${this.#at}.${field}: ${name}` });
        return null;
      }
      value = value[key];
    }
    return value;
  }

  /** A text with the parameters that it names in `${}`. */
  fill(text: string, field: string): string {
    return text.replaceAll(/\$\{([^}]*)\}/g, (_, name: string) => String(this.param(name.trim(), field)));
  }

  commands(line: string): string[][] {
    return line.split('&&').map((each) => {
      // Values are put in afterwards: they stay one word, whatever is in them.
      const words = each.trim().split(/\s+(?=(?:[^"']*["'][^"']*["'])*[^"']*$)/);
      const readable = words.every((word) => WORD.test(word.replaceAll(/\$\{[^}]*\}/g, 'x')));
      if (!readable || PROGRAM.some((word, at) => words[at] !== word)) {
        this.#issues.push({
          option: `${this.#at}.cmd`,
          expected: `commands of t2i, as ${PROGRAM.join(' ')} train`,
          received: JSON.stringify(each.trim()),
          problem: `${JSON.stringify(each.trim())} is not a plain command such as ${PROGRAM.join(' ')} train; stages with others are run by dvc repro`,
        });
        return [];
      }
      return words.slice(PROGRAM.length).map((word) => this.fill(word.replaceAll(/^["']|["']$/g, ''), 'cmd'));
    });
  }
}

function issuesOf({ path: at, code, message, ...found }: z.core.$ZodIssue): Issue[] {
  const option = `${DVC_FILE}: ${at.join('.') || 'the file'}`;
  if (code !== 'unrecognized_keys') return [{ option, expected: message, received: 'something else' }];
  return (found as { keys: string[] }).keys.map((key) => ({
    option: `${option}.${key}`,
    expected: 'stages of t2i init, and others like them',
    received: key,
    problem: `${key} is understood by DVC alone; run this project by dvc repro`,
  }));
}
