import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Reply, Request } from './messages.js';

/** A child process, and the way of messages to it and from it. */
export interface Channel {
  readonly child: ChildProcess;
  /** A message that cannot be sent any more is dropped: then the process is ending, which its `close` event reports. */
  send(request: Request): void;
  /** Everything of it that keeps the caller's process alive; what is closed is gone from it. */
  readonly parts: readonly (Part | null | undefined)[];
}

interface Part {
  ref(): unknown;
  unref(): unknown;
}

/** What is needed to start a child. */
export interface ChildStart {
  /** Path of its module or program. */
  readonly entry: string;
  /** Variables of its environment, besides those of the caller's process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/**
 * Starts a module of this package that calls `serve`; messages go over Node's own channel.
 *
 * @param start starts a process; Node's own by default
 */
export function forkModule({ entry, env }: ChildStart, onReply: (reply: Reply) => void, start = fork): Channel {
  // Whom to watch: a caller that dies at once is gone before the child could ask whose child it is.
  const child = start(entry, [String(process.pid)], {
    serialization: 'advanced',
    env: { ...process.env, ...env },
    // Flags of the caller's process (--inspect, loaders, a heap limit) are not for this one, which collects after large jobs.
    execArgv: ['--expose-gc'],
    cwd: workingFolder(entry),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  child.on('message', (reply: Reply) => onReply(reply));
  return {
    child,
    send(request) {
      if (child.connected) child.send(request, () => {});
    },
    get parts() {
      return [child, child.channel, child.stderr as Socket | null];
    },
  };
}

/**
 * Undefined for the caller's, which the child may be in and yet not be allowed to enter; the folder of the child's module where that
 * was deleted, for Node starts no threads there.
 */
export function workingFolder(entry: string): string | undefined {
  try {
    process.cwd();
    return undefined;
  } catch {
    return dirname(entry);
  }
}
