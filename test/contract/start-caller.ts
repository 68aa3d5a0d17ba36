import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { serialize } from 'node:v8';
import { vi } from 'vitest';
import type { Job } from '../../src/backends/backend.js';
import type { ModelDescription } from '../../src/model/description.js';
import { scratchFolder } from '../support/scratch.js';

const SCRIPT = fileURLToPath(new URL('./caller.mjs', import.meta.url));

/** Less than a test has, and more than the busiest machine needs. */
const PATIENCE = { timeout: 50_000, interval: 10 };

export interface Caller {
  /** What it wrote to stdout so far. */
  readonly lines: readonly string[];
  readonly exit: Promise<{ code: number | null; signal: string | null }>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when it has written a line that starts with `text`. */
  line(text: string): Promise<void>;
  /** Resolves when the child that runs the model is gone. */
  childGone(): Promise<void>;
}

/**
 * Starts caller.mjs on the built package, in a process group of its own, as a terminal gives each program one.
 *
 * @param patience milliseconds to wait for what it writes, for backends that take longer to open
 */
export function startCaller(
  backend: string,
  scene: string,
  model: ModelDescription,
  job: Job,
  patience = PATIENCE.timeout,
): Caller {
  const input = join(scratchFolder('t2i-caller-'), 'input');
  writeFileSync(input, serialize({ backend, model, job }));
  const child: ChildProcess = spawn(process.execPath, [SCRIPT, scene, input], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => lines.push(line));
  const until = async (what: string, holds: () => boolean) => {
    await vi.waitUntil(holds, { ...PATIENCE, timeout: patience }).catch(() => {
      throw new Error(`${what} did not come; the caller wrote: ${lines}`);
    });
  };
  return {
    lines,
    exit: new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal }))),
    kill: (signal) => child.kill(signal),
    line: (text) => until(`the line "${text}"`, () => lines.some((line) => line.startsWith(text))),
    childGone: () => until('the end of the child', () => !isAlive(Number(lines[0]?.split(' ')[1]))),
  };
}

/** Resolves when a process is gone. */
export async function gone(pid: number | undefined): Promise<void> {
  await vi.waitUntil(() => !isAlive(pid as number), PATIENCE);
}

/** @param pid of a process that may be gone */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
