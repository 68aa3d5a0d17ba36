import { BACKENDS } from '../../backends/select.js';
import type { Issue } from '../../errors.js';
import { describeValue, type Field, integer, oneOf } from '../../fields.js';
import { absolutePath } from '../../files.js';
import type { CommandInput } from '../command.js';

/** What the flags of `t2i bench` alone say. */
export interface BenchFlags {
  /** Null for every backend that runs here. */
  readonly backends: readonly string[] | null;
  readonly rounds: number;
  /** Ascending, 1 among them. */
  readonly concurrency: readonly number[];
  readonly against: 'diffusers' | null;
  readonly python: string | undefined;
  readonly serve: { readonly queue: number } | null;
  /** Absolute path. */
  readonly html: string | null;
}

/** @returns what the flags say, and every mistake in them; with any, the rest must not be used */
export function readBenchFlags(flags: CommandInput['flags']): BenchFlags & { readonly issues: readonly Issue[] } {
  const issues: Issue[] = [];
  const { backend = 'all', rounds = '5', concurrency = '1,4', against, python, html, queue = '64' } = flags;
  const check = (option: string, value: unknown, field: Field, shown: unknown = value) => {
    if (!field.accepts(value)) issues.push({ option, expected: field.expected, received: describeValue(shown) });
  };
  const backends = listOf(backend);
  if (backend !== 'all') {
    const names = oneOf(BACKENDS.map(({ name }) => name));
    for (const name of backends) check('--backend', name, { ...names, expected: `all, or ${names.expected}` });
  }
  check('--rounds', toInteger(rounds), integer(1, 1000), rounds);
  const requests = listOf(concurrency).map(toInteger);
  const each = integer(1, 256, 'whole numbers from 1 to 256, for example 1,4');
  check('--concurrency', requests, { ...each, accepts: () => requests.every(each.accepts) }, concurrency);
  if (against !== undefined) check('--against', against, oneOf(['diffusers']));
  if (python !== undefined && against === undefined && !backends.includes('pytorch')) {
    const expected = 'nothing without --against diffusers or --backend pytorch';
    issues.push({ option: '--python', expected, received: describeValue(python) });
  }
  check('--queue', toInteger(queue), integer(1, 100_000), queue);
  if (flags.queue !== undefined && flags.serve !== true) {
    issues.push({ option: '--queue', expected: 'nothing without --serve', received: describeValue(queue) });
  }
  return {
    serve: flags.serve === true ? { queue: Number(queue) } : null,
    backends: backend === 'all' ? null : [...new Set(backends)],
    rounds: Number(rounds),
    concurrency: [...new Set([1, ...requests.map(Number)])].sort((a, b) => a - b),
    against: against === undefined ? null : 'diffusers',
    python: python === undefined ? undefined : String(python),
    html: html === undefined ? null : absolutePath(String(html)),
    issues,
  };
}

const listOf = (text: unknown) =>
  String(text)
    .split(',')
    .map((part) => part.trim());

/** Text that is no whole number stays text, for the check to refuse. */
const toInteger = (text: unknown) => (/^\d+$/.test(String(text)) ? Number(text) : text);
