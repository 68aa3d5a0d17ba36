import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cannotRead, cannotWrite, makeFolder, prepareFile, writeFileAtomic } from '../../files.js';
import { formatOfName } from './image-name.js';
import type { ImagePlace } from './image-place.js';

export interface FolderOptions {
  /** Folder that is the store's alone. */
  readonly dir: string;
  /** Milliseconds that an image is kept. */
  readonly ttl: number;
  /** Most bytes of all images; the oldest go first. Default: 1 GiB. */
  readonly maxBytes?: number | undefined;
}

const DEFAULT_MAX_BYTES = 1 << 30;

/** Images in a folder, which is swept whenever one is added. */
export class Folder implements ImagePlace {
  private constructor(private readonly options: FolderOptions) {}

  /** @throws T2IError IO_FAILED where the folder cannot be made, or not be written to */
  static async open(options: FolderOptions): Promise<Folder> {
    const folder = new Folder(options);
    await folder.#sweep();
    await prepareFile(join(options.dir, 'image'));
    return folder;
  }

  /** @throws T2IError IO_FAILED */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    await this.#sweep(bytes.byteLength);
    await writeFileAtomic(join(this.options.dir, name), bytes);
  }

  /** @throws T2IError IO_FAILED */
  async read(name: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const path = join(this.options.dir, name);
    const info = await stat(path).catch(() => null);
    if (info === null || this.#isOld(info.mtimeMs)) return null;
    try {
      return new Uint8Array(await readFile(path));
    } catch (error) {
      // Another server may have swept it meanwhile.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw cannotRead(path, error);
    }
  }

  close(): void {}

  /** Removes what is too old, and the oldest where there is no room for some more bytes. The folder is made where it lacks. */
  async #sweep(more = 0): Promise<void> {
    const { dir } = this.options;
    await makeFolder(dir, 0o700);
    try {
      await this.#removeOld(dir, more);
    } catch (error) {
      throw cannotWrite(dir, error as Error);
    }
  }

  async #removeOld(dir: string, more: number): Promise<void> {
    const { maxBytes = DEFAULT_MAX_BYTES } = this.options;
    const files = await Promise.all(
      (await readdir(dir))
        .filter((name) => formatOfName(name) !== null)
        .map(async (name) => {
          const info = await stat(join(dir, name)).catch(() => undefined);
          return { path: join(dir, name), bytes: info?.size ?? 0, at: info?.mtimeMs ?? 0 };
        }),
    );
    let bytes = more + files.reduce((sum, file) => sum + file.bytes, 0);
    for (const file of files.sort((a, b) => a.at - b.at)) {
      if (!this.#isOld(file.at) && bytes <= maxBytes) continue;
      await rm(file.path, { force: true });
      bytes -= file.bytes;
    }
  }

  #isOld(at: number): boolean {
    return Date.now() - at > this.options.ttl;
  }
}
