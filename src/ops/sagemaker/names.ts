import { createHash } from 'node:crypto';

const LONGEST = 63;
const PREFIX = 't2i-';

/** Jobs of this package. */
export const JOB_PREFIX = PREFIX;

/**
 * The name of a job: that of its run, and the start of the hash of all that decides what it does. The same training has the same name,
 * which the service takes once.
 *
 * @param config values for JSON
 */
export function jobName(run: string, config: unknown): string {
  const hash = createHash('sha256')
    .update(JSON.stringify(sorted(config)))
    .digest('hex')
    .slice(0, 12);
  // Room for the number of an attempt, too.
  const slug = run
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, LONGEST - PREFIX.length - hash.length - 5);
  return `${PREFIX}${slug.replace(/-$/, '')}${slug === '' ? '' : '-'}${hash}`;
}

/** `t2i-run-0a1b2c3d4e5f` and 2: `t2i-run-0a1b2c3d4e5f-2`. The first attempt has no number. */
export function attemptName(base: string, attempt: number): string {
  return attempt === 1 ? base : `${base}-${attempt}`;
}

/** The first attempt's name, and which attempt a name is. */
export function readAttempt(name: string): { readonly base: string; readonly attempt: number } {
  const [, base, attempt] = /^(t2i-.*[0-9a-f]{12})-(\d{1,3})$/.exec(name) ?? [];
  return base === undefined ? { base: name, attempt: 1 } : { base, attempt: Number(attempt) };
}

/** The same value with the keys of its objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const keys = Object.keys(value).sort() as (keyof typeof value)[];
  return Object.fromEntries(keys.map((key) => [key, sorted(value[key])]));
}
