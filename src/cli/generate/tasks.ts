import { type Issue, T2IError } from '../../errors.js';
import { checkFields, oneOf } from '../../fields.js';
import {
  parseLoadOptions,
  parseRequest,
  type Request,
  type RequestLimits,
  type RequestOptions,
} from '../../options.js';
import { type BatchLine, readBatch } from './batch.js';
import type { GenerateFlags } from './flags.js';
import { duplicatePaths, type Naming, pathOf, readNaming } from './naming.js';

/** One prompt of a run, checked and with every default filled in, and where its images go. */
export interface Task {
  readonly request: Request;
  readonly images: readonly { readonly seed: number; readonly path: string }[];
  readonly naming: Naming;
  /** Line of the batch file, counted from 1; null outside of batches. */
  readonly line: number | null;
}

/** Where the prompts come from. */
export type Source = { readonly prompt: string } | { readonly batch: string };

/** What a run is checked against. */
export interface RunLimits extends RequestLimits {
  /** Names that `--backend` may have. */
  readonly backends: readonly string[];
}

/** What the command line says of the files' names. */
export interface OutputFlags {
  readonly output: string | undefined;
  readonly format: string | undefined;
}

/**
 * Checks everything that a run is asked to do, before any of it is done.
 *
 * @throws T2IError OPTION_INVALID with every mistake in `issues`; those of a batch name their line
 */
export function makeTasks(source: Source, flags: GenerateFlags, output: OutputFlags, limits: RunLimits): Task[] {
  const naming = readNaming(output.output, output.format);
  const prompt = 'prompt' in source ? source.prompt : '';
  const common = checkRequest({ ...flags.request, prompt }, limits);
  const load = attempt(() => parseLoadOptions(flags.load));
  const issues = [...flags.issues, ...issuesOf(naming), ...issuesOf(common), ...issuesOf(load)];
  issues.push(...checkFields({ backend: flags.load.backend }, { backend: oneOf(limits.backends) }));
  const tasks: Task[] = [];
  const add = (request: Request | Refused, names: Naming | Refused, line: number | null) => {
    if ('issues' in request || 'issues' in names) return;
    const first = tasks.reduce((count, { images }) => count + images.length, 0);
    const images = request.seeds.map((seed, i) => ({
      seed,
      path: pathOf(names, { prompt: request.prompt, seed, index: first + i }),
    }));
    tasks.push({ request, images, naming: names, line });
  };

  if ('prompt' in source) add(common, naming, null);
  else {
    const batch = readBatch(source.batch);
    issues.push(...batch.issues);
    const told = new Set(issuesOf(common).map(({ option }) => option));
    for (const line of batch.lines) {
      const request = checkRequest(lineOptions(flags.request, line), limits);
      const own = line.output !== undefined || line.format !== undefined;
      const names = own ? readNaming(line.output ?? output.output, line.format, output.format) : naming;
      const found = [...line.request.issues, ...lineIssues(line, issuesOf(request), told)];
      if (own) found.push(...issuesOf(names));
      issues.push(...found.map((issue) => ({ ...issue, option: `line ${line.line}: ${issue.option}` })));
      add(request, names, line.line);
    }
    // Lines that are no JSON were found first, but belong among the others.
    issues.sort((one, other) => lineOf(one) - lineOf(other));
  }
  issues.push(...duplicatePaths(tasks.flatMap(({ images }) => images.map(({ path }) => path))));
  if (issues.length > 0) throw new T2IError('OPTION_INVALID', 'Invalid options', { issues });
  return tasks;
}

/** Options that are wrong. */
export interface Refused {
  readonly issues: readonly Issue[];
}

/** The line that a mistake is of; 0 of one of the flags. */
function lineOf({ option }: Issue): number {
  return Number(/^line (\d+)/.exec(option)?.[1] ?? 0);
}

export function issuesOf(value: object): readonly Issue[] {
  return 'issues' in value ? (value as Refused).issues : [];
}

/** Mistakes of a line, each once and by the key that it wrote; one in a flag was told already, and not for each line. */
function lineIssues({ request }: BatchLine, issues: readonly Issue[], told: ReadonlySet<string>): Issue[] {
  const own = issues.filter(({ option }) => request.keys.has(option) || !told.has(option));
  const named = own.map((issue) => ({ ...issue, option: request.keys.get(issue.option) ?? issue.option }));
  return [...new Map(named.map((issue) => [issue.option, issue])).values()];
}

function checkRequest(options: RequestOptions, limits: RequestLimits): Request | Refused {
  return attempt(() => parseRequest(options, limits));
}

/** What is wrong with options comes back as a value, to be told together with other mistakes. */
export function attempt<T>(parse: () => T): T | Refused {
  try {
    return parse();
  } catch (error) {
    if (T2IError.is(error) && error.code === 'OPTION_INVALID') return { issues: error.issues };
    throw error;
  }
}

/**
 * The flags are the defaults of each line; a line that chooses its seeds drops what the flags say of them. A line without any
 * takes seed 0, since with a random one a second run could not tell what is done already.
 */
function lineOptions(flags: GenerateFlags['request'], { request }: BatchLine): RequestOptions {
  const { seed = 0, seeds, n, ...rest } = flags;
  const options = request.options as RequestOptions;
  if (options.seeds !== undefined) return { ...rest, ...options };
  const ownSeeds = options.seed !== undefined || options.n !== undefined;
  return { ...rest, ...(seeds !== undefined && !ownSeeds ? { seeds } : { seed, n }), ...options };
}
