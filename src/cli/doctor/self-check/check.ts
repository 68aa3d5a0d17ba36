import { T2IError } from '../../../errors.js';

/** One thing that a self-check found out. */
export interface Check {
  /** For example `step kernel`. */
  readonly name: string;
  readonly ok: boolean;
  /** A sentence with the numbers, or why it failed. */
  readonly detail: string;
  /** What was measured, for `--json`. */
  readonly numbers: Readonly<Record<string, number>>;
  readonly hint?: string | undefined;
}

/** What a check measured; `ok` where that is what was expected. */
export type Finding = Omit<Check, 'name'>;

/**
 * Carries out one check. What a user can run into (a typed error) is a check that failed; bugs of ours and an interruption are
 * thrown.
 */
export async function check(name: string, signal: AbortSignal, measure: () => Promise<Finding>): Promise<Check> {
  try {
    return { name, ...(await measure()) };
  } catch (error) {
    if (signal.aborted || !T2IError.is(error) || error.code === 'INTERNAL') throw error;
    return { name, ok: false, detail: `${error.code}: ${error.message}`, numbers: {}, hint: error.hint };
  }
}
