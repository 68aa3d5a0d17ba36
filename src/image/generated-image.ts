import { checkFields, describeValue, type Field, refuse } from '../fields.js';
import { writeFileAtomic } from '../files.js';
import { type EncodeOptions, encodeImage, type Pixels } from './encode.js';
import { formatOfPath, type ImageFormat } from './formats.js';
import type { Receipt } from './receipt.js';

/** How a generated image is written. */
export interface SaveOptions extends EncodeOptions {
  /** False writes neither the receipt nor the marker for media made by a model. Default: true. */
  metadata?: boolean | undefined;
}

/** One finished image: its pixels, and what made it. */
export class GeneratedImage implements Pixels {
  /** 8-bit RGB, row-major, `width * height * 3` bytes. */
  readonly rgb: Uint8Array<ArrayBuffer>;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly receipt: Receipt;

  constructor(rgb: Uint8Array<ArrayBuffer>, receipt: Receipt) {
    this.rgb = rgb;
    this.width = receipt.width;
    this.height = receipt.height;
    this.receipt = receipt;
  }

  /** Seed that makes this image again, whatever the number of images then. */
  get seed(): number {
    return this.receipt.seed;
  }

  /** Media type of what `toBuffer` and `toBase64` give; with another format than the default it is `image/` and its name. */
  get mediaType(): 'image/png' {
    return 'image/png';
  }

  /**
   * The image as the bytes of a file, for example of a `Response` or a `Blob`.
   *
   * @throws T2IError OPTION_INVALID
   */
  toBuffer(format: ImageFormat = 'png', options: Omit<SaveOptions, 'format'> = {}): Promise<Uint8Array<ArrayBuffer>> {
    return this.#encode({ ...options, format });
  }

  /**
   * The same bytes in base64 (RFC 4648, section 4), for example behind `data:image/png;base64,`.
   *
   * @throws T2IError OPTION_INVALID
   */
  async toBase64(format: ImageFormat = 'png', options: Omit<SaveOptions, 'format'> = {}): Promise<string> {
    return Buffer.from(await this.toBuffer(format, options)).toString('base64');
  }

  /**
   * Writes the image to a file, whole or not at all; a file of that name is replaced.
   *
   * @param path its extension chooses the format unless `format` does: .png, .jpg, .jpeg or .webp
   * @throws T2IError OPTION_INVALID, IO_FAILED
   */
  async toFile(path: string, options: SaveOptions = {}): Promise<void> {
    if (typeof path !== 'string')
      refuse([{ option: 'path', expected: 'the path of a file', received: describeValue(path) }]);
    const format = options.format ?? formatOfPath(path);
    await writeFileAtomic(path, await this.#encode({ ...options, format }));
  }

  async #encode({ metadata, ...options }: SaveOptions): Promise<Uint8Array<ArrayBuffer>> {
    refuse(checkFields({ metadata }, { metadata: BOOLEAN }));
    return encodeImage(this, metadata === false ? null : this.receipt, options);
  }
}

const BOOLEAN: Field = { expected: 'true or false', accepts: (value) => typeof value === 'boolean' };
