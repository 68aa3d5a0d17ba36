import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { serialize } from 'node:v8';
import type { Job } from '../../src/backends/backend.js';
import type { ModelDescription } from '../../src/model/description.js';

const SCRIPT = fileURLToPath(new URL('./caller.mjs', import.meta.url));

export interface Caller {
  /** What it wrote to stdout so far. */
  readonly lines: readonly string[];
  readonly exit: Promise<{ code: number | null; signal: string | null }>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when it has written a line that starts with `text`. */
  line(text: string): Promise<void>;
  /** Resolves when the child that runs the model is gone; fails after ten seconds. */
  childGone(): Promise<void>;
}

/** Starts caller.mjs on the built package. */
export function startCaller(backend: string, scene: string, model: ModelDescription, job: Job): Caller {
  const input = join(mkdtempSync(join(tmpdir(), 't2i-caller-')), 'input');
  writeFileSync(input, serialize({ backend, model, job }));
  const child: ChildProcess = spawn(process.execPath, [SCRIPT, scene, input], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => lines.push(line));
  const until = async (what: string, holds: () => boolean) => {
    for (let waited = 0; !holds(); waited += 10) {
      if (waited > 10_000) throw new Error(`${what} did not come within ten seconds; the caller wrote: ${lines}`);
      await setTimeout(10);
    }
  };
  return {
    lines,
    exit: new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal }))),
    kill: (signal) => child.kill(signal),
    line: (text) => until(`the line "${text}"`, () => lines.some((line) => line.startsWith(text))),
    childGone: () => until('the end of the child', () => !isAlive(Number(lines[0]?.split(' ')[1]))),
  };
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
