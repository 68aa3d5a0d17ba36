import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { buildFolder, noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIN = join(ROOT, 'bin', 't2i.mjs');
const TINY = join(ROOT, 'test/fixtures/tiny');
const SIM = buildFolder('sim');

function output(child: ChildProcess): () => string {
  let text = '';
  child.stdout?.on('data', (chunk) => (text += chunk));
  child.stderr?.on('data', (chunk) => (text += chunk));
  return () => text;
}

describe('the program', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends on %s to its whole group with %i and leaves nothing', async (signal, expected) => {
    const folder = mkdtempSync(join(tmpdir(), 't2i-cli-'));
    try {
      const argv = [
        BIN,
        'generate',
        'a cat',
        '--model',
        TINY,
        '--steps',
        '500',
        '-n',
        '100',
        '-o',
        join(folder, '{seed}.png'),
      ];
      // A group of its own, as a terminal gives it: Ctrl-C reaches the runtime's process, too.
      const child = spawn(process.execPath, argv, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
      const text = output(child);
      while (!text().includes('wrote')) {
        if (child.exitCode !== null) throw new Error(text());
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      process.kill(-(child.pid as number), signal);
      const [code] = await once(child, 'exit');
      expect(code, text()).toBe(expected);
      expect(text()).not.toContain('error');
      expect(readdirSync(folder).every((name) => /^\d+\.png$/.test(name))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('ends on %s with %i while it waits for standard input', async (signal, expected) => {
    const child = spawn(process.execPath, [BIN, 'generate', '-', '--model', TINY], { stdio: 'pipe' });
    const text = output(child);
    // More than the pipe holds: when all of it is written, the program reads.
    await new Promise((resolve) => child.stdin.write('a cat '.repeat(200_000), resolve));
    child.kill(signal);
    const [code] = await once(child, 'close');
    expect([code, text()]).toEqual([expected, `interrupted by ${signal}\n`]);
  });

  it('ends on a second SIGINT at once, whatever it waits for', async () => {
    const folder = mkdtempSync(join(tmpdir(), 't2i-cli-'));
    const batch = join(folder, 'batch');
    execFileSync('mkfifo', [batch]);
    const child = spawn(process.execPath, [BIN, 'generate', '--batch', batch, '--model', TINY], { stdio: 'ignore' });
    const exit = once(child, 'exit');
    // Opened as soon as the program reads it, which then waits for a line that does not come.
    const writer = await open(batch, 'w');
    const again = setInterval(() => child.kill('SIGINT'), 20);
    try {
      expect(await exit).toEqual([null, 'SIGINT']);
    } finally {
      clearInterval(again);
      child.kill('SIGKILL');
      await writer.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('removes what a killed run left in the folder, and nothing of one that runs or of others', async () => {
    const folder = mkdtempSync(join(tmpdir(), 't2i-cli-'));
    const argv = (seed: string) => [BIN, 'generate', 'a cat', '--model', TINY, '--seed', seed, '-o', `${folder}/`];
    const previews = () => readdirSync(folder).filter((name) => name.endsWith('.preview.png'));
    const startDrawing = async (seed: string) => {
      const child = spawn(process.execPath, [...argv(seed), '--preview', '--steps', '900'], { stdio: 'ignore' });
      while (!previews().some((name) => name.includes(`-${seed}.`))) {
        expect(child.exitCode).toBe(null);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      child.kill('SIGSTOP');
      return child;
    };
    const [killed, running] = [await startDrawing('1'), await startDrawing('2')];
    try {
      killed.kill('SIGKILL');
      await once(killed, 'exit');
      writeFileSync(join(folder, 'mine.preview.png'), 'my own');
      expect(previews()).toHaveLength(3);
      expect(spawnSync(process.execPath, [...argv('3'), '--steps', '1']).status).toBe(0);
      expect(previews()).toEqual([expect.stringContaining('-2.png'), 'mine.preview.png']);
    } finally {
      running.kill('SIGKILL');
      await once(running, 'exit');
      rmSync(folder, { recursive: true });
    }
  });

  it('ends a build on Ctrl-C with 130, and leaves neither files nor processes', skipFor(noBuild('sim')), async () => {
    const folder = mkdtempSync(join(tmpdir(), 't2i-cli-'));
    try {
      const env = {
        ...process.env,
        T2I_ENGINE_CACHE: folder,
        T2I_ADDON: join(SIM as string, 'Release/t2i.node'),
        T2I_TENSORRT_LIB_DIR: join(SIM as string, 'fake-11'),
        T2I_FAKE_TENSORRT: 'slow-build',
      };
      const child = spawn(process.execPath, [BIN, 'build-engine', TINY], { env, detached: true, stdio: 'pipe' });
      const text = output(child);
      const group = child.pid as number;
      // The builder says how far it is every five seconds.
      while (!text().includes('building text encoder')) {
        if (child.exitCode !== null) throw new Error(text());
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      process.kill(-group, 'SIGINT');
      const [code] = await once(child, 'exit');
      expect(code, text()).toBe(130);
      expect(text()).not.toContain('error');
      expect(readdirSync(folder)).toEqual([]);
      expect(() => process.kill(-group, 0)).toThrow('ESRCH');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('ends quietly when its reader goes away', async () => {
    const child = spawn(process.execPath, [BIN, 'inspect', TINY, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let err = '';
    child.stderr.on('data', (chunk) => (err += chunk));
    const [code] = await once(child, 'close');
    expect(err).toBe('');
    expect([0, 141]).toContain(code);
  });

  it('answers --help within 50 ms of bare node', () => {
    // Processor time and the least of several, in turns: what is left is the work itself and not the machine's load.
    const report =
      "process.on('exit', () => { const { user, system } = process.cpuUsage(); console.error(user + system); });";
    const milliseconds = (code: string) => {
      const argv = ['--input-type=module', '-e', report + code, '--', '--help'];
      const { status, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
      expect(status, stderr).toBe(0);
      return Number(stderr) / 1000;
    };
    const start = `process.argv.splice(1, 0, 't2i'); await import(${JSON.stringify(pathToFileURL(BIN).href)});`;
    let bare = Number.POSITIVE_INFINITY;
    let help = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 5; i++) {
      bare = Math.min(bare, milliseconds(''));
      help = Math.min(help, milliseconds(start));
    }
    expect(help - bare).toBeLessThan(50);
    expect(help).toBeGreaterThan(bare);
  });
});
