import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ErrorCode, T2IError } from '../../../../src/errors.js';
import { type Bounds, download } from '../../../../src/ops/transfer/download.js';
import { openFilesIn } from '../../../support/open-files.js';
import { noLinux, skipFor } from '../../../support/skip-for.js';

const WHOLE = Buffer.from('0123456789');
const broken = (code: ErrorCode = 'NETWORK_FAILED') => new T2IError(code, 'broken off');

let folder: string;
let to: string;
let stop: AbortController;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-download-'));
  to = join(folder, 'a/b.bin');
  stop = new AbortController();
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A server that breaks off after so many bytes of each answer, undefined for none, and what it was asked. */
function server(...answers: (number | undefined)[]) {
  const asked: Bounds[] = [];
  const source = async (bounds: Bounds, from = bounds.start) => {
    const most = answers[asked.push(bounds) - 1];
    return { from, chunks: send(WHOLE.subarray(from), most) };
  };
  return { asked, source };
}

async function* send(bytes: Uint8Array, most = bytes.length, error: Error = broken()) {
  yield bytes.subarray(0, Math.min(2, most));
  yield bytes.subarray(Math.min(2, most), most);
  if (most < bytes.length) throw error;
}

const fetch = (source: Parameters<typeof download>[0]) => download(source, to, WHOLE.length, stop.signal);
const written = () => readFileSync(to, 'utf8');
const starts = (asked: readonly Bounds[]) => asked.map(({ start }) => start);

describe('a download', () => {
  it('makes its folder, and asks for no more than the file has', async () => {
    const { asked, source } = server();
    await fetch(source);
    expect([written(), asked]).toEqual([`${WHOLE}`, [{ start: 0, most: 10 }]]);
  });

  it('goes on with what an earlier one left, and asks for nothing where that is all', async () => {
    mkdirSync(join(folder, 'a'));
    writeFileSync(to, '012');
    const { asked, source } = server();
    await fetch(source);
    await fetch(source);
    expect([written(), starts(asked)]).toEqual([`${WHOLE}`, [3]]);
  });

  it('begins anew where the server cannot leave out what is there', async () => {
    const { asked, source } = server(4);
    await fetch((bounds) => source(bounds, 0));
    expect([written(), starts(asked)]).toEqual([`${WHOLE}`, [0, 4]]);
  });

  it('takes up what breaks off, as often as it brings something', async () => {
    const { asked, source } = server(1, 1, 1, 1, 1, 1);
    await fetch(source);
    expect([written(), starts(asked)]).toEqual([`${WHOLE}`, [0, 1, 2, 3, 4, 5, 6]]);
  });

  it('gives up after three tries in a row that bring nothing, and keeps what is there', async () => {
    const { asked, source } = server(0, 0, 5, 0, 0, 0);
    await expect(fetch(source)).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    expect([written(), starts(asked)]).toEqual(['01234', [0, 0, 0, 5, 5, 5]]);
  });

  it.each([broken('REMOTE_REFUSED'), new Error('a bug')])('ends with %s at once', async (error) => {
    let asked = 0;
    const source = async ({ start }: Bounds) => ({ from: start, chunks: send(WHOLE, asked++ === 0 ? 4 : 10, error) });
    await expect(fetch(source)).rejects.toBe(error);
    expect(asked).toBe(1);
  });

  it("ends with the signal's reason", async () => {
    const source = async ({ start }: Bounds) => {
      stop.abort(new Error('enough'));
      return { from: start, chunks: send(WHOLE, 4) };
    };
    await expect(fetch(source)).rejects.toThrow('enough');
    expect(written()).toBe('0123');
  });

  it('leaves no file open', skipFor(noLinux), async () => {
    await fetch(server(1, 1).source);
    await fetch(server().source);
    rmSync(to);
    await expect(fetch(server(0, 0, 0).source)).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    expect(openFilesIn(folder)).toEqual([]);
  });

  it('says so where the disk is full, and asks no more', skipFor(noLinux), async () => {
    mkdirSync(join(folder, 'a'));
    symlinkSync('/dev/full', to);
    const { asked, source } = server();
    await expect(fetch(source)).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringMatching(new RegExp(`${to}.*ENOSPC`)),
    });
    expect(asked).toHaveLength(1);
  });

  it('says where it cannot write', async () => {
    mkdirSync(to, { recursive: true });
    await expect(fetch(server().source)).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining(to),
    });
  });
});
