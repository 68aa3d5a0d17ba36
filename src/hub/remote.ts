import { z } from 'zod';
import { T2IError } from '../errors.js';
import { readJson } from '../http/body.js';
import { HttpError } from '../http/http-error.js';
import { request, requestJson } from '../http/request.js';
import { checkFileNames } from './file-names.js';
import type { HubReference } from './repo-name.js';
import { type HubSettings, hubHeaders } from './settings.js';

/** A file of a repository, as the Hub describes it. */
export interface RemoteFile {
  /** From the root of the repository, with forward slashes. */
  readonly path: string;
  readonly bytes: number;
  /** In hex, of files that Git LFS or Xet keeps; null for others. */
  readonly sha256: string | null;
  /** Git's SHA-1 of the content, in hex; of the pointer where there is a `sha256`. */
  readonly gitId: string;
}

export type RepoKind = 'models' | 'spaces';

export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
  readonly attempts?: number | undefined;
}

/** Most files that a repository is read with, and most answers that list them. */
const MOST_FILES = 20_000;
const MOST_PAGES = 100;

const INFO = z.object({ sha: z.string().regex(/^[0-9a-f]{40}$/) });
const ENTRY = z.object({
  type: z.enum(['file', 'directory']).catch('directory'),
  path: z.string(),
  size: z.int().min(0).catch(0),
  oid: z.string().regex(/^[0-9a-f]{40}$/),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) }).nullish(),
});

/**
 * The commit that a revision means now.
 *
 * @throws T2IError as `request`; REMOTE_REFUSED for an answer that is none
 */
export async function readCommit(
  hub: HubSettings,
  { repo, revision }: HubReference,
  kind: RepoKind = 'models',
  ask: AskOptions = {},
): Promise<string> {
  const url = `${hub.endpoint}/api/${kind}/${repo}/revision/${encodeURIComponent(revision)}`;
  const headers = await hubHeaders(hub);
  const json = await requestJson(url, { ...ask, headers, hint: hintFor(hub, repo, headers, kind) });
  return check(INFO, json, url).sha;
}

/**
 * Every file of a repository at a commit.
 *
 * @throws T2IError as {@link readCommit}; DOWNLOAD_INVALID for names that no repository may have, or too many
 */
export async function readTree(
  hub: HubSettings,
  { repo, revision }: HubReference,
  kind: RepoKind = 'models',
  ask: AskOptions = {},
): Promise<RemoteFile[]> {
  const first = `${hub.endpoint}/api/${kind}/${repo}/tree/${encodeURIComponent(revision)}?recursive=true`;
  const headers = await hubHeaders(hub);
  const files: RemoteFile[] = [];
  let url: string | null = first;
  for (let page = 0; url !== null; page++) {
    const response = await request(url, { ...ask, headers, hint: hintFor(hub, repo, headers, kind) });
    const entries = check(z.array(ENTRY), await readJson(response, { signal: ask.signal }), url);
    for (const { type, path, size, oid, lfs } of entries)
      if (type === 'file') files.push({ path, bytes: lfs?.size ?? size, sha256: lfs?.oid ?? null, gitId: oid });
    if (files.length > MOST_FILES || page >= MOST_PAGES) throw tooMany(repo);
    url = nextPage(response, hub);
  }
  checkFileNames(repo, files);
  return files;
}

/** What to do about an answer of the Hub. */
export function hintFor(
  hub: HubSettings,
  repo: string,
  headers: Readonly<Record<string, string>>,
  kind: RepoKind = 'models',
): (status: number) => string | undefined {
  const page = pageOf(hub, repo, kind);
  return (status) => {
    // The Hub does not tell strangers which of both it is.
    if (status === 401 && headers.authorization === undefined)
      return `There is no ${page}, or it is private: check OWNER/NAME, or set HF_TOKEN.`;
    if (status === 401) return `Set HF_TOKEN to a token that is valid: ${hub.endpoint}/settings/tokens`;
    if (status === 403) return `Accept the terms of the repository at ${page}, or use a token that may.`;
    if (status === 404) return `Check OWNER/NAME and the revision at ${page}; what is private needs HF_TOKEN.`;
    return undefined;
  };
}

/** The address of a repository's page. */
export function pageOf(hub: HubSettings, repo: string, kind: RepoKind = 'models'): string {
  return `${hub.endpoint}/${kind === 'models' ? '' : `${kind}/`}${repo}`;
}

/** The address of a file's content. */
export function fileAddress(
  hub: HubSettings,
  repo: string,
  commit: string,
  path: string,
  kind: RepoKind = 'models',
): string {
  return `${pageOf(hub, repo, kind)}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

/** The next page of a list, which lies on the same server. */
function nextPage(response: Response, hub: HubSettings): string | null {
  const link = /<([^>]+)>;\s*rel="?next"?/.exec(response.headers.get('link') ?? '')?.[1];
  if (link === undefined) return null;
  const url = URL.canParse(link, response.url) ? new URL(link, response.url) : null;
  if (url?.origin === new URL(hub.endpoint).origin) return url.href;
  throw new T2IError('REMOTE_REFUSED', 'The next page of a list of files lies on another server', {
    hint: 'Check HF_ENDPOINT.',
  });
}

function check<T>(schema: z.ZodType<T>, json: unknown, url: string): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [what] = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`);
  throw new HttpError('REMOTE_REFUSED', `${new URL(url).origin} answered with what the Hub does not: ${what}`, {
    status: 200,
    again: 'never',
    hint: 'Check HF_ENDPOINT.',
  });
}

function tooMany(repo: string): T2IError {
  return new T2IError('DOWNLOAD_INVALID', `${repo} has more than ${MOST_FILES} files, or lists them without end`, {
    hint: 'Copy the files of the model into a repository of their own.',
  });
}
