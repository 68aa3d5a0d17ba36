import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { type Channel, type ChildStart, workingFolder } from './channel.js';
import { encodeFrame, FrameReader } from './frames.js';
import type { Reply } from './messages.js';

/**
 * Starts a program in another language, which speaks by frames on its standard input and output. It ends itself when its standard
 * input does: then the caller's process is gone.
 *
 * @param interpreter what runs `entry`
 */
export function spawnProgram(
  interpreter: string,
  { entry, env }: ChildStart,
  onReply: (reply: Reply) => void,
): Channel {
  const child = spawn(interpreter, [entry], {
    env: { ...process.env, ...env },
    cwd: workingFolder(entry),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const reader = new FrameReader();
  child.stdout.on('data', (piece: Buffer) => {
    try {
      for (const reply of reader.push(piece)) onReply(reply as Reply);
    } catch {
      // No program that speaks so.
      child.kill();
    }
  });
  // It is ending, which `close` reports.
  child.stdin.on('error', () => {});
  return {
    child,
    send(request) {
      for (const bytes of encodeFrame(request)) child.stdin.write(bytes);
    },
    get parts() {
      return [child, ...[child.stdin, child.stdout, child.stderr].map((pipe) => pipe as unknown as Socket)];
    },
  };
}
