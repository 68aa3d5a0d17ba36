import { EventEmitter } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { standardOutput } from '../../../src/cli/standard-output.js';

/** Of writes to files: the most bytes that the system takes at once. */
const system = vi.hoisted(() => ({ most: Number.POSITIVE_INFINITY }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const writeSync = (fd: number, bytes: Uint8Array, from: number) =>
    fs.writeSync(fd, bytes, from, Math.min(system.most, bytes.length - from));
  return { ...fs, writeSync };
});

let folder: string;
let path: string;
beforeEach(() => {
  system.most = Number.POSITIVE_INFINITY;
  folder = mkdtempSync(join(tmpdir(), 't2i-stdout-'));
  path = join(folder, 'out');
  writeFileSync(path, '');
});
afterEach(() => rmSync(folder, { recursive: true }));

class Ended extends Error {}

/** What stands for process.stdout, whose descriptor is of that file. */
function open(flags: string) {
  const fd = openSync(path, flags);
  const written: unknown[] = [];
  const stream = Object.assign(new EventEmitter(), { fd, isTTY: true, write: (data: unknown) => written.push(data) });
  const errors: unknown[] = [];
  const output = () =>
    standardOutput(stream as never, (error) => {
      errors.push(error);
      throw new Ended();
    });
  return { fd, stream, written, errors, output, close: () => closeSync(fd) };
}

describe('standard output that is a file', () => {
  it.each([[Number.POSITIVE_INFINITY], [1], [3]])('has every byte that was written, where %d go at once', (most) => {
    system.most = most;
    const { output, written, close } = open('w');
    const { write, isTTY } = output();
    write('ein Äpfel\n');
    write(Uint8Array.of(0, 255, 7));
    close();
    expect(readFileSync(path)).toEqual(Buffer.concat([Buffer.from('ein Äpfel\n'), Buffer.of(0, 255, 7)]));
    expect([written, isTTY]).toEqual([[], false]);
  });

  it('ends the program where it cannot be written', () => {
    const { output, errors, close } = open('r');
    const { write } = output();
    expect(() => write('x')).toThrow(Ended);
    expect(errors).toEqual([expect.objectContaining({ code: 'EBADF' })]);
    close();
  });
});

describe('standard output that is no file', () => {
  it.each(['a pipe or a terminal', 'closed'])('is what Node makes of it: %s', (what) => {
    if (what !== 'closed') path = '/dev/null';
    const { stream, output, close, fd } = open('r+');
    if (what === 'closed') close();
    expect(output()).toBe(stream);
    if (what !== 'closed') closeSync(fd);
  });

  it('ends the program where its reader is gone', () => {
    path = '/dev/null';
    const { stream, output, errors, close } = open('r+');
    output();
    const gone = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
    expect(() => stream.emit('error', gone)).toThrow(Ended);
    expect(errors).toEqual([gone]);
    close();
  });
});
