import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  readEngineFile,
  readEngineHeader,
  readExactly,
  sha256,
  verifyEngineFile,
  writeEngineFile,
} from '../../../../../src/backends/tensorrt/engines/engine-file.js';
import { parseHeader } from '../../../../../src/backends/tensorrt/engines/header.js';
import { engineFolder, failure, headerOf, SERIALIZED } from '../../../../support/engines.js';
import { openFilesIn } from '../../../../support/open-files.js';
import { noLinux, skipFor } from '../../../../support/skip-for.js';

const HEADER_AT = 48;

/** An engine file whose header is followed by spaces up to that many bytes, with hashes that are right. */
function padded(length: number, header = headerOf()): Buffer {
  const json = Buffer.from(JSON.stringify(header).padEnd(length));
  const fixed = Buffer.alloc(16);
  fixed.write('T2IENGIN', 'latin1');
  fixed.writeUInt32LE(2, 8);
  fixed.writeUInt32LE(json.length, 12);
  return Buffer.concat([fixed, Buffer.from(sha256(Buffer.concat([fixed, json])), 'hex'), json, SERIALIZED]);
}

const engineAt = () => join(engineFolder(), 'one.engine');

describe('what an engine file may be', () => {
  it('is said of what is none at all', async () => {
    const path = engineAt();
    writeFileSync(path, Buffer.alloc(3000));
    expect((await failure(readEngineHeader(path))).message).toContain('no engine file of this package');
  });

  it('has a header of at most a megabyte, which is not read where it is longer', async () => {
    const path = engineAt();
    writeFileSync(path, padded(2 ** 20));
    expect((await readEngineFile(path)).header).toEqual(headerOf());
    writeFileSync(path, padded(2 ** 20 + 1));
    expect((await failure(readEngineHeader(path))).message).toContain('1048577 bytes does not fit');
  });

  it('has a header that ends within it', async () => {
    const path = engineAt();
    const bytes = padded(0);
    bytes.writeUInt32LE(bytes.length - HEADER_AT + 1, 12);
    writeFileSync(path, bytes);
    expect((await failure(readEngineHeader(path))).message).toContain('does not fit');
  });

  it('has an engine that memory can hold, or is verified without', async () => {
    const path = engineAt();
    const [header, bytes] = [headerOf(), 2 ** 42];
    const text = JSON.stringify({ ...header, serialized: { ...header.serialized, bytes } });
    writeFileSync(path, padded(0, JSON.parse(text)));
    truncateSync(path, HEADER_AT + text.length + bytes);
    const error = await failure(readEngineFile(path));
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', cause: expect.any(RangeError) });
    expect(error.message).toContain(`${bytes} bytes`);
    truncateSync(path, 0);
  });

  it('says what is wrong with its header in a message that is not endless', async () => {
    const more = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`field${i}`, i]));
    const { message } = await failure(() => parseHeader(JSON.stringify({ ...headerOf(), ...more }), 'x'));
    expect(message).toContain('field1');
    expect(message.length).toBeLessThan(800);
  });

  it('is named with what the system said, where it cannot be written', async () => {
    const path = join(engineFolder(), 'gone', 'one.engine');
    const error = await failure(writeEngineFile(path, { header: headerOf(), serialized: SERIALIZED }));
    expect(error).toMatchObject({ code: 'IO_FAILED', cause: { code: 'ENOENT' } });
  });
});

describe('reading and writing an engine file', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('goes on where the system gives less than was asked for', async () => {
    const path = engineAt();
    writeFileSync(path, 'never read');
    const whole = Buffer.from('some bytes of a file');
    const read = async (into: Uint8Array, offset: number, length: number, position: number) => {
      const part = whole.subarray(position, position + Math.min(length, 3));
      into.set(part, offset);
      return { bytesRead: part.length };
    };
    const file = { read } as unknown as FileHandle;
    expect((await readExactly(file, Buffer.alloc(8), 5, path)).toString()).toBe('bytes of');
    expect((await failure(readExactly(file, Buffer.alloc(8), 15, path))).message).toContain('became shorter');
  });

  it('syncs the file, then its folder', async () => {
    const path = engineAt();
    const probe = await open(engineFolder());
    const sync = vi.spyOn(Object.getPrototypeOf(probe) as FileHandle, 'sync');
    await probe.close();
    await writeEngineFile(path, { header: headerOf(), serialized: SERIALIZED });
    expect(sync).toHaveBeenCalledTimes(2);
  });

  it('leaves no file open, whatever comes of it', skipFor(noLinux), async () => {
    const folder = engineFolder();
    const path = join(folder, 'one.engine');
    await writeEngineFile(path, { header: headerOf(), serialized: SERIALIZED });
    for (const read of [readEngineFile, verifyEngineFile, readEngineHeader]) await read(path);
    writeFileSync(path, readFileSync(path).fill(0, 20, 30));
    for (const read of [readEngineFile, verifyEngineFile, readEngineHeader]) await failure(read(path));
    await failure(writeEngineFile(folder, { header: headerOf(), serialized: SERIALIZED }));
    expect(openFilesIn(folder)).toEqual([]);
  });
});
