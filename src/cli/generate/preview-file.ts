import { open, rm } from 'node:fs/promises';
import type { Raster } from '../../backends/backend.js';
import { writeFileAtomic } from '../../files.js';
import { encodeImage } from '../../image/encode.js';
import { insertPngChunks, isPng, readPngChunks, textChunk, textOfChunk } from '../../image/png.js';
import { processTag } from '../../process-tag.js';

const ENDING = '.preview.png';
/** Keyword of the text that says which process draws the image. */
const KEYWORD = 't2i-preview';
/** Bytes that surely hold that text, which stands before the pixels. */
const START = 256;

/** The estimate of an image that is being drawn, as a file that viewers reload. Previews that come too fast are left out. */
export class PreviewFile {
  readonly path: string;
  #writing: Promise<void> = Promise.resolve();
  #busy = false;

  /** @param image path of the finished image; the preview lies next to it */
  constructor(image: string) {
    this.path = `${image}${ENDING}`;
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
      // One that is not there, or cannot be removed, is no reason to lose the image.
      await rm(this.path).catch(() => {});
    }
  }

  async #write(raster: Raster): Promise<void> {
    const png = await encodeImage(raster, null, { format: 'png' });
    await writeFileAtomic(this.path, insertPngChunks(png, [textChunk(KEYWORD, processTag())]));
  }
}

/** The process that draws the image of a preview; null for every other file. @throws T2IError IMAGE_INVALID; the system's error */
export async function processOfPreview(path: string): Promise<string | null> {
  if (!path.endsWith(ENDING)) return null;
  const start = await readStart(path);
  if (!isPng(start)) return null;
  for (const chunk of readPngChunks(start)) {
    const tag = textOfChunk(chunk, KEYWORD);
    if (tag !== null) return tag;
  }
  return null;
}

async function readStart(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(START));
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
