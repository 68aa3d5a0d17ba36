import { refusal } from '../http/refusal.js';
import type { BucketOptions } from './bucket.js';
import { Folder, type FolderOptions } from './folder.js';
import { type ImageFile, mediaTypeOf } from './image-file.js';
import { formatOfName, newImageName } from './image-name.js';
import type { ImagePlace } from './image-place.js';

/** Where images are kept that are asked for by url: a folder, or S3 for servers on several machines. */
export type ImageStoreOptions = FolderOptions | BucketOptions;

/** Images under names that cannot be guessed, for a while. */
export class ImageStore {
  constructor(private readonly place: ImagePlace) {}

  /**
   * @throws T2IError IO_FAILED where the folder cannot be used; where S3 cannot be: OPTION_INVALID, ACCESS_DENIED, REMOTE_NOT_FOUND,
   * NETWORK_FAILED
   */
  static async open(options: ImageStoreOptions): Promise<ImageStore> {
    return new ImageStore(isBucket(options) ? await openBucket(options) : await Folder.open(options));
  }

  /**
   * Keeps an image, and returns the path of its address.
   *
   * @throws Refusal image_store_unavailable
   */
  async keep(bytes: Uint8Array, file: ImageFile): Promise<string> {
    const name = newImageName(file.format);
    await this.place.write(name, bytes, mediaTypeOf(file));
    return `/v1/images/files/${name}`;
  }

  /** @throws Refusal not_found for a name that was never given, or is not kept any more; image_store_unavailable */
  async read(name: string): Promise<{ bytes: Uint8Array<ArrayBuffer>; type: string }> {
    const format = formatOfName(name);
    if (format === null) throw notKept();
    const bytes = await this.place.read(name);
    if (bytes === null) throw notKept();
    return { bytes, type: mediaTypeOf({ format }) };
  }

  close(): void {
    this.place.close();
  }
}

const notKept = () => refusal('not_found', 'There is no image of this name, or it is not kept any more');

/** Nothing of S3 is loaded before somebody wants it. */
async function openBucket(options: BucketOptions): Promise<ImagePlace> {
  const [{ Bucket }, { readAwsSettings }] = await Promise.all([import('./bucket.js'), import('../../aws/settings.js')]);
  return Bucket.open(options, readAwsSettings(process.env));
}

function isBucket(options: ImageStoreOptions): options is BucketOptions {
  return (options as Partial<BucketOptions>).s3 !== undefined;
}
