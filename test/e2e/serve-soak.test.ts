import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { type Point, slope } from '../support/leaks.js';
import { startServe } from '../support/serve-process.js';
import { noLinux, skipFor } from '../support/skip-for.js';

const COLLECT = fileURLToPath(new URL('../contract/collect-garbage.cjs', import.meta.url));
/** Images of the test; T2I_SOAK makes it longer. */
const IMAGES = Number(process.env.T2I_SOAK ?? 2000);
const ROUND = 100;
const CLIENTS = 8;
/** Bytes an image that may stay in use. An image has 768 bytes of pixels, and its answer has more than that in base64. */
const MOST = 500;

describe('a server that draws for long', skipFor(noLinux), () => {
  it('keeps neither memory nor files of the images that it made', { timeout: 3_600_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 't2i-soak-'));
    const file = join(folder, 'bytes');
    const { child, url, output } = await startServe(['--queue', '100'], {
      NODE_OPTIONS: `--require ${COLLECT}`,
      T2I_MEMORY_FILE: file,
    });
    const pid = child.pid as number;
    const bytesInUse = async () => {
      child.kill('SIGUSR2');
      const text = await vi.waitFor(() => readFile(file, 'utf8'), { timeout: 50_000, interval: 1 });
      await rm(file);
      return Number(text);
    };
    let asked = 0;
    const client = async (until: number) => {
      while (asked < until) {
        const seed = asked++;
        const body = { prompt: 'a red apple', steps: 1, size: '16x16', seed, stream: seed % 4 === 0 };
        const response = await fetch(`${url}/v1/images/generations`, {
          ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
        });
        expect(response.status, output()).toBe(200);
        await response.text();
      }
    };
    const points: Point[] = [];
    const files: number[] = [];
    while (asked < IMAGES) {
      await Promise.all(Array.from({ length: CLIENTS }, () => client(asked + ROUND)));
      // Code is compiled, and small memories fill, in the first ones.
      if (asked < IMAGES / 4) continue;
      points.push({ image: asked, bytes: await bytesInUse() });
      files.push(readdirSync(`/proc/${pid}/fd`).length);
    }
    expect(points.length).toBeGreaterThan(5);
    expect(slope(points), JSON.stringify(points)).toBeLessThan(MOST);
    // Connections of the clients may come and go.
    expect(Math.max(...files) - Math.min(...files)).toBeLessThanOrEqual(2 * CLIENTS);
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
});
