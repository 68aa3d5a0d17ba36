import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { freePort } from './free-port.js';

/** A redis-server of one test, which the test may end and start again. */
export interface RedisServer {
  readonly url: string;
  /** For what the test itself looks up or plants. */
  readonly client: Redis;
  /** Ends it as a crash would; what it knew is lost, unless its options keep it. */
  stop(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** Lets it answer nothing more. */
  pause(): void;
}

/**
 * Starts Debian's redis-server on a free port.
 *
 * @param args more of its options
 */
export async function startRedis(args: readonly string[] = []): Promise<RedisServer> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 't2i-redis-'));
  let child: ChildProcess;
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  const start = async () => {
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder, ...args];
    child = spawn('redis-server', options, { stdio: 'ignore' });
    await answers(port, child);
  };
  await start();
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50, lazyConnect: true });
  client.on('error', () => {});
  onTestFinished(async () => {
    client.disconnect();
    await stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const pause = () => void child.kill('SIGSTOP');
  return { url: `redis://127.0.0.1:${port}`, client, stop, start, pause };
}

/** Resolves when it takes connections. */
async function answers(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const socket = connect(port, '127.0.0.1');
    const up = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (up) return;
    await delay(20);
  }
  throw new Error('redis-server ended');
}
