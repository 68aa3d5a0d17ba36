import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pythonOf } from './python.js';

const HERE = fileURLToPath(new URL('warm-python/', import.meta.url));

/**
 * Puts a `python3` first on the path, by which trainer/env.py names an interpreter of the trainer whose processes have PyTorch and
 * diffusers loaded when they start (warm-python/server.py): each saves seconds. Nothing is changed where the trainer's environment is not
 * installed, or the system does not have what the server takes.
 *
 * @returns what ends the server
 */
export default async function warmPython(): Promise<(() => void) | undefined> {
  const { python: trainer, lack } = pythonOf('trainer/requirements.lock');
  const given = spawnSync('python3', ['-c', 'import os, sys; os.pidfd_open, print(sys.executable)'], {
    encoding: 'utf8',
  });
  if (lack !== null || given.status !== 0) return undefined;
  const python = given.stdout.trim();

  const folder = mkdtempSync(join(tmpdir(), 't2i-warm-'));
  const [socket, path, bin] = ['socket', 'path', 'bin'].map((name) => join(folder, name)) as [string, string, string];
  for (const made of [path, bin]) mkdirSync(made);
  const program = (file: string, lines: string[]) =>
    writeFileSync(file, ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
  const warm = join(bin, 'python');
  for (const name of ['python', 'python3'])
    program(join(bin, name), [`exec ${trainer} -IS ${HERE}client.py ${socket} ${trainer} ${bin}/${name} "$@"`]);
  program(join(path, 'python3'), [
    `case "$1" in */env.py|env.py) ;; *) exec ${python} "$@" ;; esac`,
    `found=$(${python} "$@") || exit`,
    `[ "$found" = ${trainer} ] && found=${warm}`,
    'printf "%s\\n" "$found"',
  ]);

  const server = spawn(trainer, [`${HERE}server.py`, socket], { stdio: ['pipe', 'ignore', 'inherit'] });
  while (!existsSync(socket) && server.exitCode === null) await delay(10);
  process.env.PATH = [path, process.env.PATH].join(delimiter);
  process.env.T2I_TEST_PATH = path;
  return () => {
    server.kill();
    rmSync(folder, { recursive: true, force: true });
  };
}
