import { T2IError } from '../../errors.js';
import { isRecord } from '../../fields.js';
import { readChunks } from '../../http/body.js';
import { request, requestJson } from '../../http/request.js';
import { type Wait, waitFor } from '../../http/retry.js';
import { hintFor, pageOf } from '../../hub/remote.js';
import { type HubSettings, hubHeaders } from '../../hub/settings.js';

export interface SpaceOptions {
  readonly hub: HubSettings;
  /** OWNER/NAME. */
  readonly space: string;
  readonly signal: AbortSignal;
}

const RUNS = new Set(['RUNNING']);
/** Stages in which a Space stays until somebody does something. */
const STUCK = new Set(['BUILD_ERROR', 'RUNTIME_ERROR', 'CONFIG_ERROR', 'NO_APP_FILE', 'STOPPED', 'PAUSED', 'DELETING']);
const POLL = 5000;
/** Where the Hub does not say which commit runs: after so long without any other stage, it is this one. */
const SETTLED = 60_000;
/** Builds of large images take long; what takes longer is looked at on its page. */
const LONGEST_WAIT = 45 * 60_000;
const LARGEST_LOG = 2 ** 20;
/** A log that is not ended by the server ends when it says nothing for so long. */
const QUIET = 5000;

/**
 * Sets variables, which everybody sees, or secrets, which nobody does, not even to compare them. Each restarts the Space: variables that
 * it has are not set again.
 *
 * @throws T2IError as `request`
 */
export async function setSpaceValues(
  { hub, space, signal }: SpaceOptions,
  kind: 'variables' | 'secrets',
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const headers = { ...(await hubHeaders(hub)), 'content-type': 'application/json' };
  const url = `${hub.endpoint}/api/spaces/${space}/${kind}`;
  const there = kind === 'variables' ? await requestJson(url, { headers, signal }) : {};
  for (const [key, value] of Object.entries(values)) {
    const known = isRecord(there) ? there[key] : undefined;
    if (isRecord(known) && known.value === value) continue;
    const response = await request(url, {
      ...{ method: 'POST', headers, signal, body: JSON.stringify({ key, value }) },
      // The same value twice is the same value.
      idempotent: true,
      hint: hintFor(hub, space, headers, 'spaces'),
    });
    await response.body?.cancel();
  }
}

/**
 * Waits until a Space runs a commit.
 *
 * @param commit that it is to run; what an older one does is not taken for it, where the Hub says which one it is
 * @param onStage called with each stage, in the Hub's words
 * @throws T2IError DEPLOYMENT_FAILED with the end of its log where it does not start; as `request`; the signal's reason
 */
export async function waitForSpace(
  options: SpaceOptions,
  commit: string,
  onStage: (stage: string) => void,
  clock: { readonly wait: Wait; readonly now: () => number } = { wait: waitFor, now: () => performance.now() },
): Promise<void> {
  const { hub, space, signal } = options;
  const headers = await hubHeaders(hub);
  const start = clock.now();
  let moved = false;
  for (;;) {
    const json = await requestJson(`${hub.endpoint}/api/spaces/${space}/runtime`, { headers, signal });
    const { stage: said, sha } = isRecord(json) ? json : {};
    const [stage, waited] = [String(said), clock.now() - start];
    onStage(stage);
    const stays = RUNS.has(stage) || STUCK.has(stage);
    moved ||= !stays;
    const isOurs = typeof sha === 'string' ? sha === commit : moved || waited > SETTLED;
    if (isOurs && RUNS.has(stage)) return;
    if (isOurs && STUCK.has(stage)) throw await failed(options, stage);
    if (waited > LONGEST_WAIT) throw tooSlow(options, stage);
    await clock.wait(POLL, signal);
    signal.throwIfAborted();
  }
}

/**
 * The log of the last build, or of the last run, as lines.
 *
 * @throws T2IError as `request`
 */
export async function readSpaceLog({ hub, space, signal }: SpaceOptions, of: 'build' | 'run'): Promise<string[]> {
  const headers = { ...(await hubHeaders(hub)), accept: 'text/event-stream' };
  const response = await request(`${hub.endpoint}/api/spaces/${space}/logs/${of}`, { headers, signal });
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of readChunks(response, { limit: LARGEST_LOG, signal, idle: QUIET }))
      text += decoder.decode(chunk, { stream: true });
  } catch (error) {
    // The end of a log that is still being written, or is too long, is that of what was read.
    if (!T2IError.is(error)) throw error;
  }
  return text.split(/\r?\n/).flatMap((line) => (line.startsWith('data:') ? [lineOf(line.slice('data:'.length))] : []));
}

/** What an event says: `{"data": "...", "timestamp": "..."}`. */
function lineOf(event: string): string {
  try {
    const json: unknown = JSON.parse(event);
    return String(isRecord(json) ? json.data : json).replace(/\n$/, '');
  } catch {
    return event.trim();
  }
}

async function failed(options: SpaceOptions, stage: string): Promise<T2IError> {
  const { hub, space, signal } = options;
  const of = stage === 'RUNTIME_ERROR' ? 'run' : 'build';
  const log = await readSpaceLog(options, of).catch((error) => {
    signal.throwIfAborted();
    return [`(the log cannot be read: ${(error as Error).message})`];
  });
  return new SpaceFailed(`The Space ${space} does not run: ${stage}`, {
    hint: `Its log is above; the page is ${pageOf(hub, space, 'spaces')}`,
    log,
  });
}

/** With the log, for whoever shows the error. */
export class SpaceFailed extends T2IError {
  readonly log: readonly string[];

  constructor(message: string, { hint, log }: { hint: string; log: readonly string[] }) {
    super('DEPLOYMENT_FAILED', message, { hint });
    this.log = log;
  }
}

function tooSlow({ hub, space }: SpaceOptions, stage: string): T2IError {
  return new T2IError(
    'DEPLOYMENT_FAILED',
    `The Space ${space} is still ${stage} after ${LONGEST_WAIT / 60_000} minutes`,
    {
      hint: `It goes on without this command; look at ${pageOf(hub, space, 'spaces')}`,
    },
  );
}
