import { type ErrorCode, T2IError } from '../errors.js';
import type { ModelDescription } from '../model/description.js';
import type { Backend, LoadOptions, Session } from './backend.js';
import { onnxruntime } from './onnxruntime/onnxruntime.js';
import { onnxruntimeReference } from './onnxruntime/reference.js';
import { pytorch } from './pytorch/pytorch.js';
import { createTensorrt } from './tensorrt/tensorrt.js';

/** Every backend of this package, the one that `auto` prefers first. */
export const BACKENDS: readonly Backend[] = [createTensorrt(onnxruntimeReference), onnxruntime, pytorch];

/** The backend that will run, and why those before it will not. */
export interface Selection {
  readonly backend: Backend;
  readonly tried: readonly FailedTry[];
  /** What `auto` may still fall back to; empty for a backend that was named. */
  readonly rest: readonly Backend[];
}

export interface FailedTry {
  readonly name: string;
  readonly reason: string;
  /** A command or a sentence. */
  readonly hint: string;
}

/** Errors of opening a model that say something of the machine or the backend, not of the model or the caller. */
const FALLBACK_CODES: ReadonlySet<ErrorCode> = new Set([
  'BACKEND_UNAVAILABLE',
  'BACKEND_FAILED',
  'BACKEND_CRASHED',
  'DEVICE_LOST',
  'ENGINE_INVALID',
  'ENGINE_BUILD_FAILED',
  'ENGINE_INACCURATE',
  'OUT_OF_MEMORY',
  // Of the engine cache: a full disk, a home that cannot be written.
  'IO_FAILED',
]);

/** Whether another backend may still open the model, since the error says nothing of the model or the caller. */
export function isMachinesFault(error: unknown): error is T2IError {
  return T2IError.is(error) && FALLBACK_CODES.has(error.code);
}

/**
 * Finds the backend to run. A named one must be there; only `auto` falls back to the next that is, and not under `strict`.
 *
 * @param name `auto` or the name of a backend
 * @throws T2IError OPTION_INVALID for an unknown name, BACKEND_UNAVAILABLE with every try, its reason and what helps
 */
export async function selectBackend(
  name: string,
  options: LoadOptions = {},
  backends: readonly Backend[] = BACKENDS,
): Promise<Selection> {
  const named = backends.filter((backend) => backend.name === name);
  const preferred = backends.filter(({ onlyByName }) => !onlyByName);
  const candidates = name === 'auto' ? (options.strict ? preferred.slice(0, 1) : preferred) : named;
  if (candidates.length === 0) throw unknownName(name, backends);
  return firstUsable(name, candidates, options, []);
}

/**
 * Opens a model in the backend that was selected, or in the next one where `auto` chose and this one cannot after all: its engine
 * cannot be built, or its device has too little memory.
 *
 * @throws T2IError what `Backend.open` throws; BACKEND_UNAVAILABLE where nothing is left to try
 */
export async function openSelected(
  selection: Selection,
  model: ModelDescription,
  options: LoadOptions,
): Promise<Selection & { readonly session: Session }> {
  const { backend, tried, rest } = selection;
  let session: Session;
  try {
    session = await backend.open(model, options);
  } catch (error) {
    if (rest.length === 0 || !isMachinesFault(error)) throw error;
    const failed = { name: backend.name, reason: error.message, hint: error.hint ?? '' };
    return openSelected(await firstUsable('auto', rest, options, [...tried, failed]), model, options);
  }
  if (options.signal?.aborted) {
    await session.close();
    throw options.signal.reason;
  }
  return { ...selection, session };
}

async function firstUsable(
  name: string,
  candidates: readonly Backend[],
  options: LoadOptions,
  before: readonly FailedTry[],
): Promise<Selection> {
  const tried = [...before];
  for (const [index, backend] of candidates.entries()) {
    const probe = await backend.probe(options);
    if (probe.available) return { backend, tried, rest: candidates.slice(index + 1) };
    tried.push({ name: backend.name, reason: probe.reason, hint: probe.hint });
  }
  const reasons = tried.map((failed) => `${failed.name}: ${failed.reason}`).join('; ');
  throw new T2IError('BACKEND_UNAVAILABLE', `backend ${name} cannot run here. Tried ${reasons}`, {
    hint: tried.map((failed) => failed.hint).join(' '),
  });
}

/** What may be named: each backend, and `auto`. */
export function backendNames(backends: readonly Backend[] = BACKENDS): readonly string[] {
  return ['auto', ...backends.map(({ name }) => name)];
}

function unknownName(name: string, backends: readonly Backend[]): T2IError {
  const expected = backendNames(backends).join(', ');
  const issue = { option: 'backend', expected: `one of ${expected}`, received: JSON.stringify(name) };
  return new T2IError('OPTION_INVALID', `backend: expected one of ${expected}, received ${issue.received}`, {
    issues: [issue],
    hint: 'Run `t2i doctor` to see which backends can run here.',
  });
}
