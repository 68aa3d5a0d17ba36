import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { BenchReport } from '../../src/bench/report/report.js';
import { main } from '../../src/cli/main.js';
import { fakeIo } from '../support/fake-io.js';

const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));

describe('t2i bench --serve', () => {
  it('measures a server beside the SDK, with the same image and what it turned away', async () => {
    const io = fakeIo();
    const flags = ['--rounds', '1', '--steps', '20', '--concurrency', '6', '--serve', '--queue', '2', '--json'];
    const code = await main(['bench', '--model', TINY, '--backend', 'onnxruntime', ...flags], io);
    expect(code, io.err()).toBe(0);
    const { subjects } = JSON.parse(io.out()) as BenchReport;
    expect(subjects.map(({ name }) => name)).toEqual(['onnxruntime', 'serve (onnxruntime)']);
    const [sdk, server] = subjects;
    expect(server?.difference).toEqual({ maxAbs: 0, meanAbs: 0, psnr: null });
    expect([sdk?.concurrency[1]?.refusedShare, server?.concurrency[0]?.refusedShare]).toEqual([null, 0]);
    expect(server?.concurrency[1]?.refusedShare).toBeGreaterThan(0);
    expect(server?.concurrency[1]?.refusedShare).toBeLessThan(1);
    expect(server?.unetStepMs).toBeNull();
    expect(server?.ratio.image).toBeGreaterThan(0);
  });

  it('refuses a length of its queue without it', async () => {
    const io = fakeIo();
    expect(await main(['bench', '--model', TINY, '--queue', '2'], io)).toBe(2);
    expect(io.err()).toContain('--queue: expected nothing without --serve');
  });
});
