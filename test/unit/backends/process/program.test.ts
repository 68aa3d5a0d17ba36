import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Channel } from '../../../../src/backends/process/channel.js';
import { spawnProgram } from '../../../../src/backends/process/program.js';

let folder: string;
let channel: Channel | undefined;
/** What the program said, in order. */
let replies: unknown[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-program-'));
  replies = [];
});
afterEach(async () => {
  if (channel?.child.exitCode === null && channel.child.signalCode === null) {
    channel.child.kill('SIGKILL');
    await once(channel.child, 'close');
  }
  channel = undefined;
  rmSync(folder, { recursive: true });
});

/** Starts a program of these lines, run by Node. */
function start(lines: string, onReply: (reply: unknown) => void = (reply) => replies.push(reply)): Channel {
  const entry = join(folder, 'program.mjs');
  writeFileSync(entry, lines);
  channel = spawnProgram(process.execPath, { entry, env: { TOY: '1' } }, onReply);
  return channel;
}
/** How it ended: the code and the signal. */
const ended = ({ child }: Channel) => once(child, 'close');
const MESSAGE = {
  type: 'call',
  method: 'run',
  value: { ids: Int32Array.of(1, -2), text: 'größe' },
  watched: true,
} as const;
const ECHO = 'process.stdin.pipe(process.stdout);';

describe('a program in another language', () => {
  it('gets messages whole and in order, and is heard likewise', async () => {
    const heard = new Promise<void>((resolve) =>
      start(ECHO, (reply) => {
        replies.push(reply);
        if (replies.length === 3) resolve();
      }),
    );
    for (const request of [MESSAGE, { type: 'abort' }, MESSAGE] as const) channel?.send(request);
    await heard;
    expect(replies).toEqual([MESSAGE, { type: 'abort' }, MESSAGE]);
  });

  it('has the variables of its caller and its own, and words that can be read', async () => {
    const { child } = start('process.stderr.write([process.env.TOY, process.env.PATH, process.cwd()].join());');
    expect(await text(child.stderr as never)).toBe([1, process.env.PATH, process.cwd()].join());
  });

  it('is in the folder of its own where the caller’s was deleted', async () => {
    vi.spyOn(process, 'cwd').mockImplementation(() => {
      throw new Error('ENOENT: uv_cwd');
    });
    const { child } = start('process.stderr.write(process.cwd());');
    vi.restoreAllMocks();
    expect(await text(child.stderr as never)).toBe(folder);
  });

  it('ends itself when its standard input does', async () => {
    const program = start(ECHO);
    program.child.stdin?.end();
    expect(await ended(program)).toEqual([0, null]);
  });

  it('is ended where it says what is no message', async () => {
    const program = start('console.log("Traceback (most recent call last):"); process.stdin.resume();');
    expect(await ended(program)).toEqual([null, 'SIGTERM']);
    expect(replies).toEqual([]);
  });

  it('that is gone is told nothing more, and that is no error', async () => {
    const program = start('process.stdin.destroy(); process.exit(3);');
    const close = ended(program);
    // Large enough that it cannot all wait in the pipe.
    program.send({ ...MESSAGE, value: new Uint8Array(2 ** 22) });
    expect(await close).toEqual([3, null]);
    program.send(MESSAGE);
    await new Promise(setImmediate);
  });

  it('lets its caller’s process exit, or keeps it, by its pipes as well as by itself', () => {
    const { child, parts } = start(ECHO);
    expect(new Set(parts)).toEqual(new Set([child, child.stdin, child.stdout, child.stderr]));
  });
});
