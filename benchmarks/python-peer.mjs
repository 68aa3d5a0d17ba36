import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The interpreter of the trainer's environment, which `npm test` also uses. */
export function trainerPython() {
  const found = spawnSync('python3', [path.join(root, 'trainer', 'env.py')], { encoding: 'utf8' });
  if (found.status !== 0) throw new Error(`trainer/env.py failed: ${found.stderr}`);
  return found.stdout.trim().split('\n').at(-1);
}

/**
 * Starts a Python script of this folder that says in its first line what runs there, and then answers one JSON line with
 * another.
 *
 * @param {string} script
 * @param {readonly string[]} args
 * @param {string} [python] interpreter; the trainer's where it is absent
 */
export async function startPeer(script, args, python = trainerPython()) {
  const command = ['-W', 'ignore', path.join(root, 'benchmarks', script), ...args];
  const child = spawn(python, command, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const failed = once(child, 'error').then(([error]) => {
    throw error;
  });
  const next = async () => {
    const { value, done } = await Promise.race([lines.next(), failed]);
    if (done) throw new Error(`${python} ended before it answered; --python names another interpreter`);
    return JSON.parse(value);
  };
  const ask = (question) => {
    child.stdin.write(`${JSON.stringify(question)}\n`);
    return next();
  };
  return { versions: await next(), ask, end: () => child.stdin.end() };
}
