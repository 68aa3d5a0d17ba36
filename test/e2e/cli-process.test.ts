import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
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

/** Resolves once something holds; fails with what the program wrote where it ends before. */
async function whileRunning(child: ChildProcess, text: () => string, holds: () => boolean): Promise<void> {
  const look = () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${text()}`);
    return holds();
  };
  await vi.waitUntil(look, { timeout: 50_000, interval: 5 });
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
      await whileRunning(child, text, () => text().includes('wrote'));
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
      const child = spawn(process.execPath, [...argv(seed), '--preview', '--steps', '900'], { stdio: 'pipe' });
      await whileRunning(child, output(child), () => previews().some((name) => name.includes(`-${seed}.`)));
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
      await whileRunning(child, text, () => text().includes('building text encoder'));
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
    expect([code, err]).toEqual([141, '']);
  });

  it('answers --help with the command line alone: nothing heavy is loaded', () => {
    const folder = mkdtempSync(join(tmpdir(), 't2i-cli-'));
    try {
      // Node writes there which scripts it ran.
      const env = { ...process.env, NODE_V8_COVERAGE: folder };
      expect(spawnSync(process.execPath, [BIN, '--help'], { env }).status).toBe(0);
      const [report] = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
      const loaded = (report.result as { url: string }[]).map(({ url }) => url);
      const packages = loaded.map((url) => /node_modules\/([^/]+)/.exec(url)?.[1]).filter(Boolean);
      expect(new Set(packages)).toEqual(new Set(['commander']));
      const own = loaded.filter((url) => url.includes('/dist/'));
      expect(own).toContainEqual(expect.stringMatching(/\/cli\/commands\.js$/));
      expect(
        own.filter((url) => /\/dist\/(backends|bench|diffusion|image|text|pipeline\.js|cli\/.*\/run)/.test(url)),
      ).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
