import { rm } from 'node:fs/promises';
import type { Raster } from '../../backends/backend.js';
import { writeFileAtomic } from '../../files.js';
import { encodeImage } from '../../image/encode.js';

/** The estimate of a picture that is being drawn, as a file that viewers reload. Previews that come too fast are left out. */
export class PreviewFile {
  readonly path: string;
  #writing: Promise<void> = Promise.resolve();
  #busy = false;

  /** @param picture path of the finished picture; the preview lies next to it */
  constructor(picture: string) {
    this.path = `${picture}.preview.png`;
  }

  show(raster: Raster): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#writing = this.#write(raster).finally(() => {
      this.#busy = false;
    });
    // Told by `remove`, which every run awaits.
    this.#writing.catch(() => {});
  }

  /** Waits for a write that goes on and removes the file. */
  async remove(): Promise<void> {
    try {
      await this.#writing;
    } finally {
      // A preview that cannot be removed is no reason to lose the image.
      await rm(this.path, { force: true }).catch(() => {});
    }
  }

  async #write(raster: Raster): Promise<void> {
    await writeFileAtomic(this.path, await encodeImage(raster, null, { format: 'png' }));
  }
}
