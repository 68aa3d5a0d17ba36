import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { T2IError } from '../../../errors.js';
import { cannotRead } from '../../../files.js';
import { type EngineHeader, parseHeader } from './header.js';
import { invalidEngine, NewerFormat } from './invalid-engine.js';

// magic | format version, uint32 | length of the header, uint32 | SHA-256 of the 16 bytes before and the header | header |
// serialized engine
//
// Integers are little-endian. The header holds the engine's length and SHA-256, so every byte of the file is checked, each is hashed
// once, and a header can be read without the engine.
const MAGIC = Buffer.from('T2IENGIN', 'latin1');
export const FORMAT_VERSION = 2;
const FIXED_BYTES = 16;
const HASH_BYTES = 32;
const PREFIX_BYTES = FIXED_BYTES + HASH_BYTES;
const LARGEST_HEADER = 1 << 20;
const BLOCK = 4 << 20;
const OTHERS_MAY_WRITE = 0o002;

/** A serialized engine that was compared with its hash: the bytes here are those that were hashed. */
export interface Engine {
  readonly header: EngineHeader;
  readonly serialized: Uint8Array;
}

/**
 * Reads an engine file and checks every byte of it before it gives one away. A serialized engine is code: the hashes tell damage, not
 * malice, so a file that anybody may write is refused as well, and so is a symbolic link.
 *
 * @throws T2IError ENGINE_INVALID, IO_FAILED, OUT_OF_MEMORY
 */
export function readEngineFile(path: string): Promise<Engine> {
  return withFile(path, async (file, size) => {
    const header = await readHeaderOf(file, size, path);
    const serialized = allocate(header.serialized.bytes, path);
    await checkEngine(file, { header, start: size - header.serialized.bytes, path }, serialized);
    return { header, serialized };
  });
}

/** The same check in constant memory. @throws T2IError ENGINE_INVALID, IO_FAILED */
export function verifyEngineFile(path: string): Promise<EngineHeader> {
  return withFile(path, async (file, size) => {
    const header = await readHeaderOf(file, size, path);
    await checkEngine(file, { header, start: size - header.serialized.bytes, path }, null);
    return header;
  });
}

/** The header alone, checked; the engine behind it is not. @throws T2IError ENGINE_INVALID, IO_FAILED */
export function readEngineHeader(path: string): Promise<EngineHeader> {
  return withFile(path, (file, size) => readHeaderOf(file, size, path));
}

/** The header of a serialized engine, with what is measured of the engine itself. */
export function sealHeader(header: Omit<EngineHeader, 'serialized'>, serialized: Uint8Array): EngineHeader {
  return { ...header, serialized: { bytes: serialized.byteLength, sha256: sha256(serialized) } };
}

/**
 * Writes an engine file so that a reader finds the old one, none, or the whole new one: under a temporary name in the same folder,
 * synced, renamed, the folder synced. Readable and writable by its owner alone.
 *
 * @throws T2IError IO_FAILED; the temporary file is removed. ENGINE_INVALID for a header that no reader would take
 */
export async function writeEngineFile(path: string, { header, serialized }: Engine): Promise<void> {
  await writeWhole(path, encodePrefix(header), serialized);
}

/** Writes a file of these parts in the same way. @throws T2IError IO_FAILED; the temporary file is removed */
export async function writeWhole(path: string, ...parts: readonly Uint8Array[]): Promise<void> {
  const temporary = join(dirname(path), temporaryName(basename(path)));
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      for (const part of parts) await file.writeFile(part);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new T2IError('IO_FAILED', `Cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Name for a file that is not yet whole; only `prune` looks at such names. */
export function temporaryName(name: string): string {
  return `.${name}.${randomBytes(6).toString('hex')}.tmp`;
}

export function isTemporaryName(name: string): boolean {
  return /^\..+\.[0-9a-f]{12}\.tmp$/.test(name);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Everything before the serialized engine. */
function encodePrefix(header: EngineHeader): Buffer {
  const text = JSON.stringify(header);
  parseHeader(text, header.component);
  const json = Buffer.from(text);
  const fixed = Buffer.alloc(FIXED_BYTES);
  MAGIC.copy(fixed);
  fixed.writeUInt32LE(FORMAT_VERSION, 8);
  fixed.writeUInt32LE(json.length, 12);
  const digest = createHash('sha256').update(fixed).update(json).digest();
  return Buffer.concat([fixed, digest, json]);
}

async function readHeaderOf(file: FileHandle, size: number, path: string): Promise<EngineHeader> {
  if (size < PREFIX_BYTES) throw invalidEngine(path, `${size} bytes are too few for an engine file`);
  const prefix = await readExactly(file, Buffer.alloc(PREFIX_BYTES), 0, path);
  if (!prefix.subarray(0, MAGIC.length).equals(MAGIC))
    throw invalidEngine(path, 'it is no engine file of this package');
  const version = prefix.readUInt32LE(8);
  if (version !== FORMAT_VERSION) {
    const newer = version > FORMAT_VERSION ? new NewerFormat() : undefined;
    throw invalidEngine(path, `its format version is ${version}, this package reads ${FORMAT_VERSION}`, newer);
  }
  const length = prefix.readUInt32LE(12);
  if (length > LARGEST_HEADER || length > size - PREFIX_BYTES) {
    throw invalidEngine(path, `a header of ${length} bytes does not fit`);
  }
  const json = await readExactly(file, Buffer.alloc(length), PREFIX_BYTES, path);
  const digest = createHash('sha256').update(prefix.subarray(0, FIXED_BYTES)).update(json).digest();
  if (!digest.equals(prefix.subarray(FIXED_BYTES))) throw invalidEngine(path, 'its header is damaged');
  const header = parseHeader(json.toString('utf8'), path);
  const expected = PREFIX_BYTES + length + header.serialized.bytes;
  if (size !== expected) throw invalidEngine(path, `${size} bytes instead of the ${expected} that its header says`);
  return header;
}

/** Hashes the serialized engine, and keeps it in `into` where that is given. */
async function checkEngine(
  file: FileHandle,
  { header, start, path }: { readonly header: EngineHeader; readonly start: number; readonly path: string },
  into: Uint8Array | null,
): Promise<void> {
  const { bytes, sha256: expected } = header.serialized;
  const hash = createHash('sha256');
  const scratch = into === null ? Buffer.alloc(Math.min(BLOCK, bytes)) : null;
  for (let done = 0; done < bytes; done += BLOCK) {
    const length = Math.min(BLOCK, bytes - done);
    const block = into?.subarray(done, done + length) ?? (scratch as Buffer).subarray(0, length);
    hash.update(await readExactly(file, block, start + done, path));
  }
  if (hash.digest('hex') !== expected) throw invalidEngine(path, 'its serialized engine is damaged');
}

/** Fills `into` from `position` on. @throws T2IError ENGINE_INVALID where the file ends before */
export async function readExactly<T extends Uint8Array>(
  file: FileHandle,
  into: T,
  position: number,
  path: string,
): Promise<T> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw invalidEngine(path, 'it became shorter while it was read');
    done += bytesRead;
  }
  return into;
}

function allocate(bytes: number, path: string): Uint8Array {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw new T2IError('OUT_OF_MEMORY', `The engine in ${path} takes ${bytes} bytes, which could not be allocated.`, {
      cause,
    });
  }
}

/** Opens a file that nobody else may have put there; see `readEngineFile`. @throws T2IError ENGINE_INVALID, IO_FAILED */
export async function withFile<T>(path: string, read: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  // O_NONBLOCK: opening a named pipe must not wait for a writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (cause: NodeJS.ErrnoException) => {
      if (!OF_THE_FILE.has(cause.code ?? '')) throw cannotRead(path, cause);
      throw invalidEngine(path, `it cannot be opened: ${cause.message}`, cause, NAME_ONE);
    },
  );
  try {
    const info = await file.stat();
    if (!info.isFile()) throw invalidEngine(path, 'it is no regular file', undefined, NAME_ONE);
    if ((info.mode & OTHERS_MAY_WRITE) !== 0) {
      throw invalidEngine(path, `everybody may write it (chmod o-w ${path} if you trust it)`);
    }
    return await read(file, info.size);
  } catch (cause) {
    throw T2IError.is(cause) ? cause : cannotRead(path, cause as Error);
  } finally {
    await file.close();
  }
}

const NAME_ONE = 'Give the path of an engine file; `t2i engines` lists them.';

/** Codes that say something of the file: there is none, it is a symbolic link, a device without a driver. */
const OF_THE_FILE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO']);

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
