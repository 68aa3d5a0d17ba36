import { BACKENDS, type FailedTry, isMachinesFault } from '../backends/select.js';
import { T2IError } from '../errors.js';
import type { ModelDescription } from '../model/description.js';
import type { LoadOptions, Request, RequestOptions } from '../options.js';
import type { Pipeline } from '../pipeline.js';
import { backendSubject } from './backend/backend-subject.js';
import { diffusersSubjects } from './diffusers/diffusers-subjects.js';
import { serveSubject } from './serve/serve-subject.js';
import type { Subject } from './subject.js';

/** What is to be measured. */
export interface SubjectOptions {
  /** Names of backends that must run; null for every one that can. */
  readonly backends: readonly string[] | null;
  readonly model: ModelDescription;
  /** How each is loaded, but for the backend. */
  readonly load: LoadOptions;
  /** Opens a model; the command line shows what takes long. */
  readonly open: (options: LoadOptions) => Promise<Pipeline>;
  /** What is drawn, as it was asked for, and with every default filled in. */
  readonly options: RequestOptions;
  readonly request: Request;
  readonly concurrency: readonly number[];
  /** Interpreter for diffusers, and the threads that it gets; null where the SDK is measured alone. */
  readonly diffusers: { readonly python: string; readonly threads: number } | null;
  /** Also ask the same over HTTP, of a server where so many requests may wait; null where not. */
  readonly serve: { readonly queue: number } | null;
  readonly signal: AbortSignal;
}

export interface OpenSubjects {
  readonly subjects: readonly Subject[];
  readonly skipped: readonly FailedTry[];
}

/**
 * Opens the model in every backend, and in diffusers on the same devices.
 *
 * @throws T2IError what `Pipeline.load` throws for a backend that was named; BACKEND_UNAVAILABLE where none runs, or diffusers cannot;
 *   the signal's reason. Nothing stays open then.
 */
export async function openSubjects(options: SubjectOptions): Promise<OpenSubjects> {
  const subjects: Subject[] = [];
  try {
    const skipped = await openBackends(options, subjects);
    if (options.serve) await openServers(options, options.serve, subjects);
    if (options.diffusers) await openDiffusers(options, options.diffusers, subjects);
    return { subjects, skipped };
  } catch (error) {
    await closeSubjects(subjects);
    throw error;
  }
}

export async function closeSubjects(subjects: readonly Subject[]): Promise<void> {
  await Promise.all(subjects.map((subject) => subject.close()));
}

async function openBackends(options: SubjectOptions, subjects: Subject[]): Promise<FailedTry[]> {
  const { backends, load, open, options: request, concurrency } = options;
  const skipped: FailedTry[] = [];
  for (const backend of BACKENDS.filter(({ name, onlyByName }) => backends?.includes(name) ?? !onlyByName)) {
    const { name } = backend;
    const probe = await backend.probe(load);
    if (backends === null && !probe.available) {
      skipped.push({ name, reason: probe.reason, hint: probe.hint });
      continue;
    }
    try {
      const pipeline = await open({ ...load, backend: name });
      const runsOn = probe.available ? probe.detail : pipeline.backend.runtime;
      subjects.push(backendSubject(pipeline, { load, request, runsOn, concurrency }));
    } catch (error) {
      if (backends !== null || !isMachinesFault(error)) throw error;
      skipped.push({ name, reason: error.message, hint: error.hint ?? '' });
    }
  }
  if (subjects.length > 0) return skipped;
  const reasons = skipped.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
  throw new T2IError('BACKEND_UNAVAILABLE', `No backend can run here. Tried ${reasons}`, {
    hint: skipped.map(({ hint }) => hint).join(' '),
  });
}

/** A server beside each backend that was opened. */
async function openServers(
  { model, load, request, concurrency, signal }: SubjectOptions,
  { queue }: NonNullable<SubjectOptions['serve']>,
  subjects: Subject[],
): Promise<void> {
  const { backend: _, model: __, ...same } = load;
  for (const { name, runsOn } of [...subjects]) {
    const options = { model: model.dir, load: same, queue, backend: name, runsOn, request, concurrency };
    subjects.push(await serveSubject(options, signal));
  }
}

/** PyTorch runs where the backends do, to be a fair match. */
async function openDiffusers(
  { model, request, signal }: SubjectOptions,
  { python, threads }: NonNullable<SubjectOptions['diffusers']>,
  subjects: Subject[],
): Promise<void> {
  const devices = new Set(subjects.map(({ name }) => (name.includes('tensorrt') ? 'cuda' : 'cpu')));
  for (const device of devices) {
    subjects.push(...(await diffusersSubjects({ python, device, threads }, model, request, signal)));
  }
}
