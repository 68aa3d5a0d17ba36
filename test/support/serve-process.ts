import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));

export interface Program {
  readonly child: ChildProcess;
  /** Everything that it wrote. */
  output(): string;
  /** Resolves when it has written such a text. */
  wrote(text: string): Promise<void>;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

export interface ServeProcess extends Program {
  readonly url: string;
  readonly adminUrl: string;
}

/** Runs `t2i serve` on free ports with the tiny model, until it listens; it is killed at the end of the test. */
export async function startServe(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<ServeProcess> {
  const argv = ['serve', '--port', '0', '--admin-port', '0', '--json', '--model', TINY, ...args];
  const program = startProgram(argv, env);
  await program.wrote('"adminUrl"');
  await program.wrote('Ctrl-C');
  const [line = ''] = /\{"url".*\}/.exec(program.output()) ?? [];
  return { ...program, ...(JSON.parse(line) as { url: string; adminUrl: string }) };
}

/** Runs `t2i worker` with the tiny model, until it waits for orders; it is killed at the end of the test. */
export async function startWorker(args: readonly string[] = []): Promise<Program> {
  const program = startProgram(['worker', '--model', TINY, ...args], {});
  await program.wrote('waits for orders');
  return program;
}

function startProgram(args: readonly string[], env: NodeJS.ProcessEnv): Program {
  const child = spawn(process.execPath, ['bin/t2i.mjs', ...args], {
    ...{ cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk;
      for (const look of watchers) look();
    });
  }
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  const wrote = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!output.includes(text)) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      void ended.then((end) => reject(new Error(`it ended with ${end}: ${output}`)));
      look();
    });
  return { child, output: () => output, wrote, ended };
}

/** Ids of the processes that a process has started and that live, on Linux. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => {
      try {
        return readFileSync(`/proc/${each}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(pid);
      } catch {
        return false;
      }
    });
}
