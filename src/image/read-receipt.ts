import { readFile, stat } from 'node:fs/promises';
import { type ErrorCode, T2IError } from '../errors.js';
import { fieldIssues, refuse, text } from '../fields.js';
import { cannotRead } from '../files.js';
import { findReceipts } from './containers.js';
import { parseReceipt, type Receipt } from './receipt.js';

/** Largest image file that is read, in bytes. */
const MAX_FILE = 128 * 1024 * 1024;

/**
 * The receipt of a PNG, JPEG or WebP image. The file may be hostile: reading takes bounded time and memory.
 *
 * @param source path of the image, or its bytes
 * @throws T2IError OPTION_INVALID, IO_FAILED, IMAGE_INVALID, RECEIPT_MISSING, RECEIPT_INVALID
 */
export async function readReceipt(source: string | Uint8Array): Promise<Receipt> {
  const bytes = await readImageBytes(source);
  return namingFile(source, async () => receiptIn(bytes));
}

/** What can be wrong with an image that was read. */
const OF_IMAGES: ReadonlySet<string> = new Set([
  'IMAGE_INVALID',
  'RECEIPT_MISSING',
  'RECEIPT_INVALID',
  'BUDGET_EXCEEDED',
] satisfies ErrorCode[]);

/** Looks into an image; what is wrong with it is told with the name of its file, where it came from one. */
export async function namingFile<T>(source: string | Uint8Array, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (typeof source !== 'string' || !T2IError.is(error) || !OF_IMAGES.has(error.code)) throw error;
    const { code, message, hint, issues } = error;
    throw new T2IError(code, `${source}: ${message}`, { hint, issues, cause: error });
  }
}

/**
 * The receipt of an image file that was read.
 *
 * @throws T2IError IMAGE_INVALID, RECEIPT_MISSING, RECEIPT_INVALID
 */
export function receiptIn(bytes: Uint8Array): Receipt {
  const receipts = findReceipts(bytes);
  const [receipt] = receipts;
  if (receipt === undefined) {
    throw new T2IError('RECEIPT_MISSING', 'The image carries no receipt', {
      hint: 'It was not made by t2i, was made with --no-metadata, or another program removed its metadata.',
    });
  }
  if (receipts.length > 1) {
    throw new T2IError('RECEIPT_INVALID', `The image carries ${receipts.length} receipts; one was expected`);
  }
  return parseReceipt(receipt);
}

/**
 * The bytes of an image file.
 *
 * @param source path of the file, or its bytes, which are returned as they are
 * @throws T2IError OPTION_INVALID where it is neither, IO_FAILED where it cannot be read, IMAGE_INVALID where it is not a regular
 *   file or above 128 MiB
 */
export async function readImageBytes(source: string | Uint8Array): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  const path = text('the path of an image, or its bytes in a Uint8Array', 1, 65_536);
  refuse(fieldIssues('image', source, path));
  return readImageFile(source);
}

async function readImageFile(path: string): Promise<Uint8Array> {
  try {
    // Asked before the file is opened: opening a pipe waits for its writer.
    const info = await stat(path);
    if (!info.isFile()) throw new T2IError('IMAGE_INVALID', `${path} is no regular file`);
    if (info.size > MAX_FILE) throw new T2IError('IMAGE_INVALID', `${path} has more than ${MAX_FILE} bytes`);
    return await readFile(path);
  } catch (cause) {
    throw cannotRead(path, cause);
  }
}
