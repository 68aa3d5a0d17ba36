import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../files.js';
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

  /** @throws the system's error where the folder cannot be made */
  static async open(options: FolderOptions): Promise<Folder> {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    const folder = new Folder(options);
    await folder.#sweep();
    return folder;
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    await this.#sweep(bytes.byteLength);
    await writeFileAtomic(join(this.options.dir, name), bytes);
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const path = join(this.options.dir, name);
    const info = await stat(path).catch(() => null);
    if (info === null || this.#isOld(info.mtimeMs)) return null;
    return new Uint8Array(await readFile(path));
  }

  close(): void {}

  /** Removes what is too old, and the oldest where there is no room for some more bytes. */
  async #sweep(more = 0): Promise<void> {
    const { dir, maxBytes = DEFAULT_MAX_BYTES } = this.options;
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
