import { open, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, posix, relative, resolve, sep } from 'node:path';
import { T2IError } from '../errors.js';
import { absolutePath } from '../files.js';
import { invalidModel } from './problems.js';

/** Larger than any tokenizer.json or configuration by far. */
const LARGEST_TEXT = 64 * 2 ** 20;

/** More than a model has by far. */
const MOST_FOLDERS = 100;

/** What Git LFS leaves in the place of a file that it has not fetched: a few lines, the first of which is this. */
const POINTER = 'version https://git-lfs.github.com/spec/';
const LARGEST_POINTER = 1024;

/** A file that was checked: where it lies, and what the checks of external data compare. */
export interface ModelFile {
  /** Absolute path in the model directory. */
  readonly path: string;
  readonly size: number;
  /** Reached through a link of the Hugging Face cache. */
  readonly linked: boolean;
  /** Names that the file has on the disk; more than one means that it may lie outside the model directory too. */
  readonly names: number;
}

/**
 * The files of one model directory, and the list of those that were read. A path that leaves the directory is refused,
 * by its text or by a symbolic link. The one link allowed is that of the Hugging Face cache, from
 * `<repo>/snapshots/<revision>/` into the `blobs/` folder of the same `<repo>`.
 */
export class ModelFiles {
  /** Paths in the model directory with forward slashes, of the files that decide the image. */
  readonly used = new Set<string>();

  private constructor(
    readonly dir: string,
    private readonly realDir: string,
  ) {}

  /** @throws T2IError MODEL_NOT_FOUND where `dir` is no directory. */
  static async open(dir: string): Promise<ModelFiles> {
    try {
      const path = absolutePath(dir);
      const real = await realpath(path);
      if ((await stat(real)).isDirectory()) return new ModelFiles(path, real);
    } catch (cause) {
      if (T2IError.is(cause)) throw cause;
      throw new T2IError('MODEL_NOT_FOUND', `No model directory at ${JSON.stringify(dir)}.`, { cause });
    }
    throw new T2IError('MODEL_NOT_FOUND', `${JSON.stringify(dir)} is a file; a model is a directory.`);
  }

  /** Whether anything of that name is there. */
  async has(path: string): Promise<boolean> {
    return (await realpath(join(this.dir, path)).catch(() => null)) !== null;
  }

  /**
   * Checks that a regular file inside the directory stands at `path` (relative to it) and notes it as used.
   * @throws T2IError MODEL_INVALID
   */
  async check(path: string): Promise<ModelFile> {
    const full = resolve(this.dir, path);
    const within = relative(this.dir, full);
    if (
      path.includes('\0') ||
      isAbsolute(path) ||
      isAbsolute(within) ||
      within === '..' ||
      within.startsWith(`..${sep}`)
    ) {
      throw invalidModel(path, 'a path inside the model directory', 'one that leaves it');
    }
    const real = await realpath(full).catch(() => null);
    if (real === null) throw invalidModel(path, 'a file', 'none (missing, or a link to nothing)');
    const linked = real !== join(this.realDir, within);
    if (linked && !this.inCacheBlobs(real)) {
      throw invalidModel(path, 'a file inside the model directory', 'a symbolic link that leaves it');
    }
    const info = await stat(real);
    if (!info.isFile()) throw invalidModel(path, 'a regular file', 'a folder or a device');
    if (info.size <= LARGEST_POINTER) await refusePointer(real, path);
    this.used.add(within.split(sep).join('/'));
    return { path: full, size: info.size, linked, names: info.nlink };
  }

  async text(path: string): Promise<string> {
    return readText((await this.check(path)).path, path);
  }

  async json(path: string): Promise<unknown> {
    return parseJson(await this.text(path), path);
  }

  /** Paths of the files with one of these endings, in the directory and the folders in it, sorted; links are not followed. */
  async list(endings: readonly string[]): Promise<string[]> {
    const names = async (folder: string) => {
      const entries = await readdir(join(this.dir, folder), { withFileTypes: true }).catch(() => []);
      return entries.map((entry) => ({ path: posix.join(folder, entry.name), isFolder: entry.isDirectory() }));
    };
    const top = await names('');
    const folders = top.filter(({ isFolder }) => isFolder).slice(0, MOST_FOLDERS);
    const below = await Promise.all(folders.map(({ path }) => names(path)));
    return [...top, ...below.flat()]
      .filter(({ path, isFolder }) => !isFolder && endings.some((ending) => path.endsWith(ending)))
      .map(({ path }) => path)
      .sort();
  }

  private inCacheBlobs(real: string): boolean {
    const parts = this.realDir.split(sep);
    const snapshots = parts.lastIndexOf('snapshots');
    if (snapshots < 1 || snapshots === parts.length - 1) return false;
    return real.startsWith([...parts.slice(0, snapshots), 'blobs', ''].join(sep));
  }
}

/** @throws T2IError MODEL_INVALID where the file is a pointer of Git LFS */
async function refusePointer(real: string, path: string): Promise<void> {
  const file = await open(real).catch(() => null);
  // One that cannot be read is refused by whoever needs what is in it.
  if (file === null) return;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LARGEST_POINTER), 0, LARGEST_POINTER, 0);
    const text = buffer.toString('latin1', 0, bytesRead);
    if (!text.startsWith(POINTER)) return;
    const size = /^size (\d{1,16})$/m.exec(text)?.[1] ?? 'unknown';
    const hint = 'Fetch the files themselves: run git lfs install, then git lfs pull, in the clone of the model.';
    throw invalidModel(path, 'the file itself', `a Git LFS pointer to it (size ${size})`, hint);
  } finally {
    await file.close();
  }
}

/** A small text file. @throws T2IError MODEL_INVALID naming it by `label`. */
export async function readText(path: string, label: string = path): Promise<string> {
  try {
    const info = await stat(path);
    if (info.size <= LARGEST_TEXT) return await readFile(path, 'utf8');
  } catch (cause) {
    throw invalidModel(label, 'a file that can be read', cause instanceof Error ? cause.message : String(cause));
  }
  throw invalidModel(label, `at most ${LARGEST_TEXT} bytes`, 'a larger file');
}

/** A JSON file as Python writes it. @throws T2IError MODEL_INVALID naming it by `label`. */
export async function readJson(path: string, label: string = path): Promise<unknown> {
  return parseJson(await readText(path, label), label);
}

function parseJson(text: string, label: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    try {
      return JSON.parse(text.replace(STRING_OR_BARE_WORD, (part) => (part[0] === '"' ? part : `"${part}"`)));
    } catch {
      throw invalidModel(label, 'JSON', cause instanceof Error ? cause.message : String(cause));
    }
  }
}

/** Python's json writes three bare words that JSON lacks (a diffusers scheduler may hold -Infinity); they are read as strings. */
const STRING_OR_BARE_WORD = /"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN/g;
