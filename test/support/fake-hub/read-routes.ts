import type { ServerResponse } from 'node:http';
import { answer, type Received } from '../fake-server.js';
import type { Commit, Repository, StoredFile } from './repository.js';

/** What routes of a repository need of their hub. */
export interface Surroundings {
  /** Address of the store that large files are fetched from and sent to; another origin than the Hub's. */
  readonly store: string;
  /** Entries of a page of a tree. */
  readonly pageSize: number;
}

/** GET /api/{kind}/{id} and .../revision/{revision}. */
export function info(repository: Repository, commit: Commit, { query }: Received, response: ServerResponse) {
  const { id, kind, private: hidden, gated } = repository;
  const siblings = [...commit.files].map(([rfilename, { bytes, gitId, sha256 }]) => ({
    rfilename,
    ...(query.has('blobs') && {
      size: bytes.length,
      blobId: gitId,
      ...(sha256 && { lfs: { sha256, size: bytes.length } }),
    }),
  }));
  const runtime = kind === 'spaces' ? { runtime: { stage: 'RUNNING' } } : {};
  const body = {
    _id: '0',
    id,
    sha: commit.id,
    private: hidden,
    gated,
    siblings,
    tags: [],
    downloads: 0,
    likes: 0,
    ...runtime,
  };
  answer(response, 200, { ...body, lastModified: '2026-01-01T00:00:00.000Z', createdAt: '2026-01-01T00:00:00.000Z' });
}

/** GET /api/{kind}/{id}/tree/{revision}: a page, and where the next one is. */
export function tree(commit: Commit, request: Received, response: ServerResponse, { pageSize }: Surroundings) {
  const { query, path, headers } = request;
  const all = [...commit.files].map(([name, file]) => entry(name, file)).sort((a, b) => (a.path < b.path ? -1 : 1));
  const start = Number(query.get('cursor') ?? 0);
  const more = start + pageSize < all.length;
  const next = `http://${headers.host}${path}?recursive=true&cursor=${start + pageSize}`;
  answer(response, 200, all.slice(start, start + pageSize), more ? { link: `<${next}>; rel="next"` } : {});
}

/** POST /api/{kind}/{id}/paths-info/{revision}. */
export function pathsInfo(commit: Commit, { body, headers }: Received, response: ServerResponse) {
  const json = headers['content-type']?.includes('json') === true;
  const text = body.toString();
  const paths = json ? (JSON.parse(text).paths as string[]) : new URLSearchParams(text).getAll('paths');
  const found = paths.flatMap((path) => {
    const file = commit.files.get(path);
    return file ? [entry(path, file)] : [];
  });
  answer(response, 200, found);
}

function entry(path: string, { bytes, gitId, sha256 }: StoredFile) {
  const lfs = sha256 && { oid: sha256, size: bytes.length, pointerSize: 130 };
  return { type: 'file', path, oid: gitId, size: bytes.length, ...(lfs && { lfs }) };
}

/** GET and HEAD /{id}/resolve/{revision}/{path}: small files at once, large ones by a redirect to the store. */
export function resolve(
  commit: Commit,
  path: string,
  request: Received,
  response: ServerResponse,
  { store }: Surroundings,
) {
  const file = commit.files.get(path);
  if (!file) return answer(response, 404, { error: 'Entry not found' }, { 'x-error-code': 'EntryNotFound' });
  const { sha256, bytes, gitId } = file;
  const headers = { 'x-repo-commit': commit.id, 'accept-ranges': 'bytes', etag: `"${gitId}"` };
  if (sha256 === null) return sendBytes(bytes, request, response, headers);
  const linked = { 'x-linked-etag': `"${sha256}"`, 'x-linked-size': String(bytes.length) };
  answer(response, 302, '', {
    ...headers,
    ...linked,
    location: `${store}/objects/${sha256}?signature=secret-of-the-store`,
  });
}

/** Bytes, or the range of them that is asked for. */
export function sendBytes(
  bytes: Buffer,
  { headers, method }: Received,
  response: ServerResponse,
  more: Readonly<Record<string, string>> = {},
) {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  if (from === undefined) {
    response.writeHead(200, { 'content-length': bytes.length, ...more });
    response.end(method === 'HEAD' ? undefined : bytes);
    return;
  }
  const [start, end] = [Number(from), to ? Number(to) : bytes.length - 1];
  if (start >= bytes.length) return answer(response, 416, '', { 'content-range': `bytes */${bytes.length}` });
  const part = bytes.subarray(start, end + 1);
  const range = `bytes ${start}-${start + part.length - 1}/${bytes.length}`;
  response.writeHead(206, { 'content-length': part.length, 'content-range': range, ...more });
  response.end(method === 'HEAD' ? undefined : part);
}
