import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../files.js';
import { refusal } from '../http/refusal.js';
import { type ImageFile, mediaTypeOf } from './image-file.js';

export interface ImageStoreOptions {
  /** Folder that is the store's alone. */
  readonly dir: string;
  /** Milliseconds that an image is kept. */
  readonly ttl: number;
  /** Most bytes of all images; the oldest go first. Default: 1 GiB. */
  readonly maxBytes?: number | undefined;
}

const NAME = /^[A-Za-z0-9_-]{22}\.(png|jpeg|webp)$/;
const DEFAULT_MAX_BYTES = 1 << 30;

/** Images under names that cannot be guessed, for a while. */
export class ImageStore {
  private constructor(private readonly options: ImageStoreOptions) {}

  /** @throws the system's error where the folder cannot be made */
  static async open(options: ImageStoreOptions): Promise<ImageStore> {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    const store = new ImageStore(options);
    await store.sweep();
    return store;
  }

  /** Keeps an image, and returns the path of its address. */
  async keep(bytes: Uint8Array, file: ImageFile): Promise<string> {
    await this.sweep(bytes.byteLength);
    const name = `${randomBytes(16).toString('base64url')}.${file.format}`;
    await writeFileAtomic(join(this.options.dir, name), bytes);
    return `/v1/images/files/${name}`;
  }

  /** @throws Refusal not_found for a name that was never given, or is not kept any more */
  async read(name: string): Promise<{ bytes: Uint8Array<ArrayBuffer>; type: string }> {
    const [, format] = NAME.exec(name) ?? [];
    const path = join(this.options.dir, name);
    const info = format === undefined ? null : await stat(path).catch(() => null);
    if (info === null || this.#isOld(info.mtimeMs)) {
      throw refusal('not_found', 'There is no image of this name, or it is not kept any more');
    }
    return {
      bytes: new Uint8Array(await readFile(path)),
      type: mediaTypeOf({ format: format as ImageFile['format'] }),
    };
  }

  /** Removes what is too old, and the oldest where there is no room for some more bytes. */
  async sweep(more = 0): Promise<void> {
    const { dir, maxBytes = DEFAULT_MAX_BYTES } = this.options;
    const names = (await readdir(dir)).filter((name) => NAME.test(name));
    const files = await Promise.all(
      names.map(async (name) => {
        const info = await stat(join(dir, name)).catch(() => null);
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
