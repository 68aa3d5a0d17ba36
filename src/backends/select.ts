import { T2IError } from '../errors.js';
import type { Backend } from './backend.js';
import { onnxruntime } from './onnxruntime/onnxruntime.js';

/** Every backend of this package, the one that `auto` prefers first. */
export const BACKENDS: readonly Backend[] = [onnxruntime];

/** The backend that will run, and why those before it will not. */
export interface Selection {
  readonly backend: Backend;
  readonly tried: readonly FailedTry[];
}

export interface FailedTry {
  readonly name: string;
  readonly reason: string;
  /** A command or a sentence. */
  readonly hint: string;
}

/**
 * Finds the backend to run. A named one must be there; only `auto` falls back to the next that is.
 *
 * @param name `auto` or the name of a backend
 * @throws T2IError OPTION_INVALID for an unknown name, BACKEND_UNAVAILABLE with every try, its reason and what helps
 */
export async function selectBackend(name: string, backends: readonly Backend[] = BACKENDS): Promise<Selection> {
  const candidates = name === 'auto' ? backends : backends.filter((backend) => backend.name === name);
  if (candidates.length === 0) throw unknownName(name, backends);
  const tried: FailedTry[] = [];
  for (const backend of candidates) {
    const probe = await backend.probe();
    if (probe.available) return { backend, tried };
    tried.push({ name: backend.name, reason: probe.reason, hint: probe.hint });
  }
  const reasons = tried.map((failed) => `${failed.name}: ${failed.reason}`).join('; ');
  throw new T2IError('BACKEND_UNAVAILABLE', `backend ${name} cannot run here. Tried ${reasons}`, {
    hint: tried.map((failed) => failed.hint).join(' '),
  });
}

function unknownName(name: string, backends: readonly Backend[]): T2IError {
  const expected = ['auto', ...backends.map((backend) => backend.name)].join(', ');
  const issue = { option: 'backend', expected: `one of ${expected}`, received: JSON.stringify(name) };
  return new T2IError('OPTION_INVALID', `backend: expected one of ${expected}, received ${issue.received}`, {
    issues: [issue],
    hint: 'Run `t2i doctor` to see which backends can run here.',
  });
}
