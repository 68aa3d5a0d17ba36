import { createHash } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import type { CommitOperation, CommitOutput } from '@huggingface/hub';
import { T2IError } from '../../errors.js';
import { HttpError } from '../../http/http-error.js';
import { request } from '../../http/request.js';
import { hintFor, pageOf, type RemoteFile, type RepoKind, readCommit, readTree } from '../../hub/remote.js';
import { MAIN } from '../../hub/repo-name.js';
import { type HubSettings, hubHeaders, requireToken } from '../../hub/settings.js';
import { hubFetch } from './hub-fetch.js';
import { recordOf, refuseSecrets, type SourceRecord, type Sources } from './sources.js';

export interface PublishOptions {
  readonly hub: HubSettings;
  readonly kind: RepoKind;
  /** OWNER/NAME; made where it is not there. */
  readonly repo: string;
  readonly sources: Sources;
  /** Whether a file of the repository that is not among the sources goes. */
  readonly isStale: (path: string) => boolean;
  /** Everybody may see a repository that is made. */
  readonly public: boolean;
  /** Name for the commit; it may be made of a hash of all that is published. */
  readonly tag?: string | ((contentHash: string) => string) | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: PublishProgress) => void) | undefined;
}

export interface PublishProgress {
  readonly phase: 'hashing' | 'sending' | 'checking';
  readonly done: number;
  readonly total: number;
}

export interface Published {
  readonly repo: string;
  readonly address: string;
  readonly commit: string;
  readonly tag: string | null;
  readonly files: number;
  readonly bytes: number;
  /** Files that were added or replaced, and files that were removed, this time. */
  readonly changed: number;
  readonly removed: number;
}

/**
 * Publishes files as one commit: readers see all of it or nothing. What is there already is not sent, and where nothing changed there
 * is no commit. Someone else's commit since it was looked at is not overwritten. The hashes are read back.
 *
 * @throws T2IError REMOTE_CONFLICT where another one published meanwhile, or the tag is another commit's; ACCESS_DENIED; DATA_INVALID
 *   for files with a token in them or that change; as `request`; the signal's reason
 */
export async function publish(options: PublishOptions): Promise<Published> {
  const { hub, kind, repo, sources, signal } = options;
  const token = await requireToken(hub);
  await refuseSecrets(sources, token);
  const records = await hashAll(options);
  const tag = typeof options.tag === 'function' ? options.tag(hashOfAll(records)) : options.tag;
  const head = await ensureRepository(options);
  const remote = new Map(
    (await readTree(hub, { repo, revision: head }, kind, { signal })).map((file) => [file.path, file]),
  );
  const changed = [...records].filter(([path, record]) => !isSame(record, remote.get(path))).map(([path]) => path);
  const removed = [...remote.keys()].filter((path) => !sources.has(path) && options.isStale(path));
  const same = changed.length === 0 && removed.length === 0;
  const commit = same ? head : await send(options, { token, head, tag, changed, removed });
  if (!same) await checkArrived(options, commit, records);
  if (tag !== undefined) await tagCommit(options, commit, tag);
  return {
    repo,
    address: pageOf(hub, repo, kind),
    commit,
    tag: tag ?? null,
    files: records.size,
    bytes: [...records.values()].reduce((sum, { bytes }) => sum + bytes, 0),
    changed: changed.length,
    removed: removed.length,
  };
}

async function hashAll({ sources, signal, onProgress }: PublishOptions): Promise<Map<string, SourceRecord>> {
  const records = new Map<string, SourceRecord>();
  for (const [path, source] of sources) {
    onProgress?.({ phase: 'hashing', done: records.size, total: sources.size });
    records.set(path, await recordOf(source, signal));
  }
  return records;
}

/** Of the paths and contents. */
function hashOfAll(records: ReadonlyMap<string, SourceRecord>): string {
  const lines = [...records].map(([path, { sha256 }]) => `${sha256}  ${path}\n`).sort();
  return createHash('sha256').update(lines.join('')).digest('hex');
}

function isSame({ sha256, gitId }: SourceRecord, remote: RemoteFile | undefined): boolean {
  return remote !== undefined && (remote.sha256 === null ? remote.gitId === gitId : remote.sha256 === sha256);
}

export type Destination = Pick<PublishOptions, 'hub' | 'kind' | 'repo' | 'public' | 'signal'>;

/**
 * Makes a repository that is not there.
 *
 * @returns the commit that it is at
 * @throws T2IError ACCESS_DENIED and as `request`
 */
export async function ensureRepository({ hub, kind, repo, signal, ...options }: Destination): Promise<string> {
  try {
    return await readCommit(hub, { repo, revision: MAIN }, kind, { signal });
  } catch (error) {
    if (!(error instanceof HttpError) || error.status !== 404) throw error;
  }
  const { createRepo } = await import('@huggingface/hub');
  await createRepo({
    repo: { type: kind === 'spaces' ? 'space' : 'model', name: repo },
    visibility: options.public ? 'public' : 'private',
    // Of a Space; a model has none.
    sdk: 'docker',
    accessToken: await requireToken(hub),
    hubUrl: hub.endpoint,
    fetch: hubFetch(signal, hintFor(hub, repo, { authorization: '' }, kind)),
  }).catch((error: unknown) => {
    // Another one made it meanwhile.
    if (!(error instanceof HttpError) || error.status !== 409) throw error;
  });
  return readCommit(hub, { repo, revision: MAIN }, kind, { signal });
}

interface Change {
  readonly token: string;
  readonly head: string;
  readonly tag: string | undefined;
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** Makes the commit. Returns its id. */
async function send(options: PublishOptions, { token, head, tag, changed, removed }: Change): Promise<string> {
  const { hub, kind, repo, sources, signal, onProgress } = options;
  const { commitIter } = await import('@huggingface/hub');
  const operations: CommitOperation[] = [
    ...changed.map((path) => ({ operation: 'addOrUpdate' as const, path, content: contentOf(path, sources) })),
    ...removed.map((path) => ({ operation: 'delete' as const, path })),
  ];
  const hint = hintFor(hub, repo, { authorization: '' }, kind);
  const events = commitIter({
    repo: { type: kind === 'spaces' ? 'space' : 'model', name: repo },
    ...{ operations, title: `Publish ${tag ?? repo}`, parentCommit: head },
    ...{ accessToken: token, hubUrl: hub.endpoint, abortSignal: signal },
    // Large files go to the store by plain requests, whose content it compares with their SHA-256.
    useXet: false,
    fetch: hubFetch(signal, (status) => (status === 412 ? MOVED : hint(status))),
  });
  const sent = new Set<string>();
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return commitIn(value as CommitOutput);
      if (value.event === 'fileProgress' && value.state === 'uploading' && value.progress === 1) sent.add(value.path);
      onProgress?.({ phase: 'sending', done: sent.size, total: changed.length });
    }
  } catch (error) {
    signal.throwIfAborted();
    if (T2IError.is(error)) throw error;
    throw new T2IError('REMOTE_REFUSED', `Publishing ${repo} failed: ${(error as Error).message}`, {
      hint: 'Run it again: what is there already is not sent again.',
      cause: error,
    });
  }
}

function commitIn({ commit }: CommitOutput): string {
  const oid: unknown = commit.oid;
  if (typeof oid === 'string') return oid;
  throw new Error('the Hub says that it made a commit, and not which');
}

const MOVED = 'Someone else published since: look at what is there now, then run this again.';

function contentOf(path: string, sources: Sources): URL | Blob {
  const source = sources.get(path) as string | Uint8Array<ArrayBuffer>;
  return typeof source === 'string' ? pathToFileURL(source) : new Blob([source]);
}

/** Reads back what is at the commit. */
async function checkArrived(
  { hub, kind, repo, signal, onProgress }: PublishOptions,
  commit: string,
  records: ReadonlyMap<string, SourceRecord>,
): Promise<void> {
  onProgress?.({ phase: 'checking', done: 0, total: records.size });
  const remote = new Map(
    (await readTree(hub, { repo, revision: commit }, kind, { signal })).map((file) => [file.path, file]),
  );
  const wrong = [...records].filter(([path, record]) => !isSame(record, remote.get(path))).map(([path]) => path);
  if (wrong.length === 0) return;
  throw new T2IError('DATA_INVALID', `${repo} has other content at ${commit} than these files: ${wrong.join(', ')}`, {
    hint: 'They may have changed while they were sent: wait until whatever writes them is done, then run this again.',
  });
}

/** Gives a commit a name, unless it has it. */
async function tagCommit({ hub, kind, repo, signal }: PublishOptions, commit: string, tag: string): Promise<void> {
  const headers = await hubHeaders(hub);
  const response = await request(`${hub.endpoint}/api/${kind}/${repo}/tag/${commit}`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ tag }),
    // Twice is told from once below.
    idempotent: true,
    expect: [409],
    hint: hintFor(hub, repo, headers, kind),
    signal,
  });
  await response.body?.cancel();
  if (response.status !== 409) return;
  const tagged = await readCommit(hub, { repo, revision: tag }, kind, { signal });
  if (tagged === commit) return;
  throw new T2IError('REMOTE_CONFLICT', `The tag ${tag} of ${repo} is that of another commit, ${tagged}`, {
    hint: 'The files were published, without the tag; choose another with --tag.',
  });
}
