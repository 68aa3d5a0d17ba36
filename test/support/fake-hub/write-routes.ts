import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { answer, type Received } from '../fake-server.js';
import { isLarge, type Repository, type StoredFile, stored } from './repository.js';

/** Content of large files by SHA-256, and parts of those that are on their way. */
export class Store {
  readonly objects = new Map<string, Buffer>();
  readonly #parts = new Map<string, Map<number, Buffer>>();

  /** PUT /objects/{sha256} and /parts/{sha256}/{number}; POST /complete/{sha256}. */
  write(request: Received, response: ServerResponse) {
    const [, kind, sha256 = '', number] = request.path.split('/');
    if (kind === 'parts') {
      const parts = this.#parts.get(sha256) ?? new Map<number, Buffer>();
      this.#parts.set(sha256, parts.set(Number(number), request.body));
      return answer(response, 200, '', { etag: `"part-${number}"` });
    }
    const parts = [...(this.#parts.get(sha256) ?? [])].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
    const bytes = kind === 'complete' ? Buffer.concat(parts) : request.body;
    if (createHash('sha256').update(bytes).digest('hex') !== sha256)
      return answer(response, 400, { error: 'wrong hash' });
    this.objects.set(sha256, bytes);
    answer(response, 200, {});
  }
}

/** POST .../preupload/{revision}: how each file is to be sent. */
export function preupload({ body }: Received, response: ServerResponse) {
  const { files } = JSON.parse(body.toString()) as { files: { path: string }[] };
  const modes = files.map(({ path }) => ({
    path,
    uploadMode: isLarge(path) ? 'lfs' : 'regular',
    shouldIgnore: false,
  }));
  answer(response, 200, { files: modes });
}

/** POST /{id}.git/info/lfs/objects/batch: where each large file is to be sent, in parts where it is larger than one. */
export function lfsBatch(
  { body }: Received,
  response: ServerResponse,
  store: Store,
  address: string,
  partSize: number,
) {
  const { objects } = JSON.parse(body.toString()) as { objects: { oid: string; size: number }[] };
  const answers = objects.map(({ oid, size }) => {
    if (store.objects.has(oid)) return { oid, size };
    if (size <= partSize) return { oid, size, actions: { upload: { href: `${address}/objects/${oid}?signature=s` } } };
    const parts = Array.from({ length: Math.ceil(size / partSize) }, (_, at) => [
      String(at + 1).padStart(5, '0'),
      `${address}/parts/${oid}/${at + 1}?signature=s`,
    ]);
    const header = { chunk_size: String(partSize), ...Object.fromEntries(parts) };
    return { oid, size, actions: { upload: { href: `${address}/complete/${oid}?signature=s`, header } } };
  });
  answer(response, 200, { transfer: 'basic', objects: answers }, { 'content-type': 'application/vnd.git-lfs+json' });
}

interface Line {
  readonly key: 'header' | 'file' | 'lfsFile' | 'deletedFile';
  readonly value: {
    summary?: string;
    parentCommit?: string;
    path?: string;
    content?: string;
    oid?: string;
  };
}

/** POST .../commit/{revision}: all of it or nothing. */
export function commit(repository: Repository, { body }: Received, response: ServerResponse, store: Store) {
  const lines = body
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
  const header = lines.find(({ key }) => key === 'header')?.value;
  if (header?.parentCommit !== undefined && header.parentCommit !== repository.head.id)
    return answer(response, 412, { error: `A commit has happened since. ${repository.head.id}` });
  const added: [string, StoredFile][] = [];
  const deleted: string[] = [];
  for (const { key, value } of lines) {
    const { path = '', content = '', oid = '' } = value;
    if (key === 'file') added.push([path, stored(Buffer.from(content, 'base64'), false)]);
    if (key === 'lfsFile') {
      const bytes = store.objects.get(oid);
      if (!bytes) return answer(response, 400, { error: `the content of ${path} was never sent` });
      added.push([path, stored(bytes, true)]);
    }
    if (key === 'deletedFile') deleted.push(path);
  }
  const { id } = repository.commit(header?.summary ?? '', added, deleted);
  const commitUrl = `https://hub.example/${repository.id}/commit/${id}`;
  answer(response, 200, { success: true, commitOid: id, commitUrl, hookOutput: '' });
}
