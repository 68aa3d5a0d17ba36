import {
  copyFile,
  link,
  lstat,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { makeFolder, writeFileAtomic } from '../files.js';
import { temporaryPath } from '../temporary-files.js';
import { isCommit, isRepoName } from './repo-name.js';

/** A model of the cache at one commit. */
export interface CachedModel {
  readonly repo: string;
  readonly commit: string;
  /** Branches and tags that mean this commit, as far as the cache knows. */
  readonly refs: readonly string[];
  /** Absolute path of the folder to give to `--model`. */
  readonly dir: string;
  readonly files: number;
  /** Of its files; those that other commits share are counted with each. */
  readonly bytes: number;
}

const PREFIX = 'models--';

/**
 * The cache that all tools of Hugging Face share: `models--OWNER--NAME/` with the content of files by their hash in `blobs/`, for
 * each commit a folder of links to them in `snapshots/`, and the commits of branches and tags in `refs/`.
 */
export class HubCache {
  /** @param dir absolute */
  constructor(readonly dir: string) {}

  folderOf(repo: string): string {
    return join(this.dir, PREFIX + repo.replace('/', '--'));
  }

  /** Where content of this hash lies. */
  blobOf(repo: string, hash: string): string {
    return join(this.folderOf(repo), 'blobs', hash);
  }

  snapshotOf(repo: string, commit: string): string {
    return join(this.folderOf(repo), 'snapshots', commit);
  }

  /** A file that other processes wait for while a blob is fetched; Python's own locks lie in the same folder. */
  lockOf(repo: string, hash: string): string {
    return join(this.dir, '.locks', PREFIX + repo.replace('/', '--'), `${hash}.t2i.lock`);
  }

  /** The commit that a revision meant when it was last fetched, or null. */
  async commitOf(repo: string, revision: string): Promise<string | null> {
    if (isCommit(revision)) return revision;
    const text = await readFile(join(this.folderOf(repo), 'refs', revision), 'utf8').catch(() => '');
    const commit = text.trim();
    return isCommit(commit) ? commit : null;
  }

  /** Notes which commit a branch or tag means; its snapshot must be there. */
  async keepRef(repo: string, revision: string, commit: string): Promise<void> {
    if (isCommit(revision) || (await this.commitOf(repo, revision)) === commit) return;
    const path = join(this.folderOf(repo), 'refs', revision);
    await makeFolder(dirname(path));
    await writeFileAtomic(path, Buffer.from(commit));
  }

  /** Puts a blob into a snapshot under a name: as a link, or as a copy where the system makes none. */
  async link(repo: string, commit: string, path: string, hash: string): Promise<void> {
    const [blob, name] = [this.blobOf(repo, hash), join(this.snapshotOf(repo, commit), path)];
    const target = relative(dirname(name), blob);
    if ((await readlink(name).catch(() => null)) === target) return;
    await makeFolder(dirname(name));
    const temporary = temporaryPath(name);
    try {
      await symlink(target, temporary).catch(async (error: NodeJS.ErrnoException) => {
        if (!['EPERM', 'ENOSYS', 'EACCES'].includes(error.code ?? '')) throw error;
        await copyFile(blob, temporary);
      });
      await rename(temporary, name);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /**
   * Gives a repository files of its own where its blobs are links into the store that newer Python tools share between repositories:
   * hard links, which take no space. onnxruntime refuses weights that lie in another folder than their graph once links are followed.
   */
  async ownBlobs(repo: string): Promise<void> {
    const [blobs, store] = [
      join(this.folderOf(repo), 'blobs'),
      join(await realpath(this.dir).catch(() => this.dir), 'blobs'),
    ];
    for (const entry of await readdir(blobs, { withFileTypes: true }).catch(() => [])) {
      if (!entry.isSymbolicLink()) continue;
      const path = join(blobs, entry.name);
      const real = await realpath(path).catch(() => '');
      if (dirname(dirname(real)) === store) await replaceByFile(path, real);
    }
  }

  /** Every commit of every model, sorted by name; what is damaged is left out. */
  async list(): Promise<CachedModel[]> {
    const found: CachedModel[] = [];
    for (const name of (await readdir(this.dir).catch(() => [])).sort()) {
      const repo = name.startsWith(PREFIX) ? name.slice(PREFIX.length).replace('--', '/') : '';
      if (!isRepoName(repo)) continue;
      const refs = await this.#refs(repo);
      const commits = await readdir(join(this.dir, name, 'snapshots')).catch(() => []);
      for (const commit of commits.filter(isCommit).sort()) {
        const dir = this.snapshotOf(repo, commit);
        const own = refs.filter(([, meant]) => meant === commit).map(([ref]) => ref);
        found.push({ repo, commit, refs: own, dir, ...(await sizeOfFolder(dir)) });
      }
    }
    return found;
  }

  /** Removes all of a model. Returns the bytes that were freed. */
  async remove(repo: string): Promise<number> {
    const blobs = join(this.folderOf(repo), 'blobs');
    let bytes = 0;
    for (const name of await readdir(blobs).catch(() => [])) bytes += (await lstat(join(blobs, name))).size;
    await rm(this.folderOf(repo), { recursive: true, force: true });
    await rm(dirname(this.lockOf(repo, 'any')), { recursive: true, force: true });
    return bytes;
  }

  async #refs(repo: string): Promise<(readonly [ref: string, commit: string])[]> {
    const folder = join(this.folderOf(repo), 'refs');
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    const names = entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
    const read = names.map(async (name) => [name, (await this.commitOf(repo, name)) ?? ''] as const);
    return (await Promise.all(read)).sort();
  }
}

/** Files of a folder and their bytes; links count as what they lead to. */
export async function sizeOfFolder(dir: string): Promise<{ files: number; bytes: number }> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
  const sizes = await Promise.all(names.map(async (name) => (await stat(name).catch(() => null))?.size ?? 0));
  return { files: names.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

async function replaceByFile(path: string, real: string): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    await link(real, temporary).catch(() => copyFile(real, temporary));
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
