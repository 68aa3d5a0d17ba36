import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { peakMemory } from '../../src/bench/memory.js';
import { Interrupted } from '../../src/cli/io.js';
import { main } from '../../src/cli/main.js';
import { fakeIo } from '../support/fake-io.js';
import { noLinux, skipFor } from '../support/skip-for.js';

const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));
const PEER = fileURLToPath(new URL('../support/diffusers-peer.mjs', import.meta.url));
const QUICK = ['--model', TINY, '--backend', 'onnxruntime', '--rounds', '1', '--steps', '2'];

const positive = z.number().positive();
const summary = z.strictObject({ median: positive, low: positive, high: positive, values: z.array(positive).min(1) });
const delays = z.strictObject({ ...summary.shape, median: z.number(), low: z.number(), high: z.number() });
const measured = z.strictObject({
  name: z.string(),
  runsOn: z.string().min(1),
  warnings: z.array(z.string()),
  imageMs: summary,
  unetStepMs: summary,
  outsideNetworks: z.strictObject({ ms: summary, share: summary }).nullable(),
  firstImageMs: summary.nullable(),
  loadMs: summary.nullable(),
  memory: z.strictObject({ process: summary, children: summary.nullable() }).nullable(),
  concurrency: z
    .array(
      z.strictObject({
        requests: z.int().positive(),
        imagesPerSecond: summary,
        latencyMs: z.strictObject({
          p50: positive,
          p95: positive,
          p99: positive,
          count: z.int().positive(),
          values: z.array(positive).min(1),
        }),
        refusedShare: z.null(),
        eventLoopDelayMs: delays.extend({ values: z.array(z.number().min(0)) }).nullable(),
      }),
    )
    .min(1),
  ratio: z.strictObject({ image: positive, unetStep: positive, firstImage: positive.nullable() }),
  difference: z.strictObject({ maxAbs: z.number(), meanAbs: z.number(), psnr: z.number().nullable() }).nullable(),
});
const REPORT = z.strictObject({
  version: z.literal(1),
  date: z.iso.datetime(),
  machine: z.strictObject({
    t2i: z.string(),
    node: z.literal(process.version),
    platform: z.string(),
    cpu: z.string(),
    memoryBytes: positive,
  }),
  threads: z.int().positive().nullable(),
  model: z.strictObject({ name: z.string(), hashes: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)) }),
  request: z.strictObject({
    prompt: z.string(),
    seed: z.int(),
    preset: z.string().nullable(),
    steps: z.int(),
    guidanceScale: z.number(),
    sampler: z.string(),
    width: z.int(),
    height: z.int(),
  }),
  rounds: z.int().positive(),
  complete: z.boolean(),
  subjects: z.array(measured).min(1),
  skipped: z.array(z.strictObject({ name: z.string(), reason: z.string(), hint: z.string() })),
});

async function bench(argv: readonly string[], io = fakeIo()) {
  return { code: await main(['bench', ...argv], io), out: io.out(), err: io.err() };
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-bench-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('t2i bench', () => {
  it('prints tables for people, and writes the page', async () => {
    const html = join(folder, 'bench.html');
    const { code, out, err } = await bench([...QUICK, '--concurrency', '2', '--html', html]);
    expect(code, err).toBe(0);
    expect(out).toMatch(/^request +64x64, 2 steps of ddim/m);
    for (const label of ['whole image', 'one UNet step', 'outside the networks', 'first image of a process']) {
      expect(out).toMatch(new RegExp(`^${label} +[\\d.]+ m?s`, 'm'));
    }
    expect(out).toMatch(/^onnxruntime +1 +[\d.]+/m);
    expect(out).toMatch(/^onnxruntime +2 +[\d.]+/m);
    expect(err).toContain(`wrote ${html}`);
    expect(readFileSync(html, 'utf8')).toMatch(/^<!doctype html>[\s\S]*<svg [\s\S]*<\/html>\n$/);
  });

  it('prints JSON of the documented shape, with all that it was measured on', async () => {
    const { code, out } = await bench([...QUICK, '--size', '32x64', '--concurrency', '3', '--threads', '1', '--json']);
    expect(code).toBe(0);
    const report = REPORT.parse(JSON.parse(out));
    expect(report).toMatchObject({
      threads: 1,
      complete: true,
      rounds: 1,
      model: { name: 'tiny' },
      request: { steps: 2, sampler: 'ddim', width: 32, height: 64, seed: 7 },
    });
    const [subject] = report.subjects;
    expect(report.subjects).toHaveLength(1);
    expect(subject?.concurrency.map(({ requests, latencyMs }) => [requests, latencyMs.count])).toEqual([
      [1, 1],
      [3, 3],
    ]);
    expect(subject?.firstImageMs?.median).toBeGreaterThan(subject?.loadMs?.median as number);
    expect(subject?.imageMs.median).toBeGreaterThan(2 * (subject?.unetStepMs.median as number));
    expect(Object.keys(report.model.hashes)).toContain('unet/model.onnx');
  });

  it('shows what was drawn otherwise than the model means it', async () => {
    const model = join(folder, 'model');
    cpSync(TINY, model, { recursive: true });
    const config = join(model, 'scheduler', 'scheduler_config.json');
    writeFileSync(
      config,
      JSON.stringify({ ...JSON.parse(readFileSync(config, 'utf8')), _class_name: 'PNDMScheduler' }),
    );
    const { out } = await bench(['--model', model, ...QUICK.slice(2), '--json']);
    const [subject] = REPORT.parse(JSON.parse(out)).subjects;
    expect(subject?.warnings).toEqual([expect.stringContaining('PNDM')]);
  });

  it('reports the threads that were used, and warns where more were asked for', async () => {
    const { out } = await bench([...QUICK, '--threads', '1024', '--concurrency', '1', '--json']);
    const { threads, subjects } = REPORT.parse(JSON.parse(out));
    expect(threads).toBe(availableParallelism());
    expect(subjects[0]?.warnings).toEqual([expect.stringContaining('1024')]);
  });

  it('measures every backend that runs here, and says why another does not', async () => {
    vi.stubEnv('T2I_ADDON', join(folder, 'no-addon.node'));
    const { out } = await bench([...QUICK.slice(0, 2), '--rounds', '1', '--steps', '1', '--json']);
    const { subjects, skipped } = REPORT.parse(JSON.parse(out));
    expect(subjects.map(({ name }) => name)).toEqual(['onnxruntime']);
    expect(skipped).toEqual([
      { name: 'tensorrt', reason: expect.stringContaining('no-addon'), hint: expect.any(String) },
    ]);
  });

  it('takes a backend that was named and is missing for an error', async () => {
    vi.stubEnv('T2I_ADDON', join(folder, 'no-addon.node'));
    const { code, out, err } = await bench([...QUICK, '--backend', 'tensorrt,onnxruntime']);
    expect([code, out]).toEqual([4, '']);
    expect(err).toContain('tensorrt');
  });

  it('names all mistakes at once, before anything is loaded', async () => {
    const { code, out, err } = await bench([
      ...['--model', TINY, '--backend', 'onnx,all', '--rounds', '0', '--concurrency', '1,x,65', '--steps', 'many'],
      ...['--size', 'big', '--preset', 'fast', '--threads', '0', '--against', 'torch'],
    ]);
    expect([code, out]).toEqual([2, '']);
    const wrong = ['backend', 'rounds', 'concurrency', 'steps', 'size', 'preset', 'threads', 'against'];
    for (const name of wrong) expect(err).toContain(`--${name}: expected`);
  });

  it.each([
    ['--python', 'python3'],
    ['--concurrency', ''],
    ['--rounds', '2.5'],
  ])('refuses %s %j by name', async (flag, value) => {
    const { code, err } = await bench(['--model', TINY, flag, value]);
    expect(code).toBe(2);
    expect(err).toContain(`${flag}: expected`);
  });

  it('refuses a page that cannot be written, before anything is measured', async () => {
    const { code, out, err } = await bench([...QUICK, '--html', folder]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain(`Cannot write ${folder}`);
    expect(err).not.toContain('warming up');
  });

  it('makes the folder of the page', async () => {
    const html = join(folder, 'reports', 'bench.html');
    expect((await bench([...QUICK, '--concurrency', '1', '--html', html])).code).toBe(0);
    expect(existsSync(html)).toBe(true);
  });

  it('prints what was measured so far when it is interrupted', async () => {
    const controller = new AbortController();
    const onErr = (text: string) => text.includes('round 2') && controller.abort(new Interrupted('SIGINT'));
    const io = fakeIo({ signal: controller.signal, terminal: true, onErr });
    const { code, out, err } = await bench([...QUICK, '--rounds', '50', '--json'], io);
    expect(code).toBe(130);
    expect(err).toContain('interrupted by SIGINT');
    const { complete, rounds, subjects } = REPORT.parse(JSON.parse(out));
    expect({ complete, rounds }).toEqual({ complete: false, rounds: 50 });
    expect(subjects[0]?.firstImageMs?.values).toHaveLength(1);
  });

  it('leaves no process behind, whether it is interrupted or not', skipFor(noLinux), async () => {
    const before = peakMemory().children;
    await bench(QUICK);
    expect(peakMemory().children).toBe(before);
    const controller = new AbortController();
    const onErr = (text: string) => {
      // Announced just before the process is started, in the same turn.
      if (text.includes('first image')) setImmediate(() => controller.abort(new Interrupted('SIGINT')));
    };
    const io = fakeIo({ signal: controller.signal, terminal: true, onErr });
    expect((await bench([...QUICK, '--rounds', '50'], io)).code).toBe(130);
    expect(peakMemory().children).toBe(before);
  });

  it('prints nothing when it is interrupted before anything was measured', async () => {
    const controller = new AbortController();
    controller.abort(new Interrupted('SIGTERM'));
    const { code, out } = await bench(QUICK, fakeIo({ signal: controller.signal }));
    expect([code, out]).toEqual([143, '']);
  });
});

describe('t2i bench --against diffusers', () => {
  it('says what is missing where the trainer is not installed, and measures nothing', async () => {
    vi.stubEnv('T2I_CACHE', folder);
    const { code, out, err } = await bench([...QUICK, '--against', 'diffusers']);
    expect([code, out]).toEqual([4, '']);
    expect(err).toMatch(/not installed|no python3/);
    expect(err).toContain('env.py');
    expect(existsSync(join(folder, 't2i'))).toBe(false);
  });

  it('gives both the same request and threads, and compares times and pixels', async () => {
    const log = join(folder, 'asked.jsonl');
    vi.stubEnv('T2I_PEER_LOG', log);
    const flags = ['--against', 'diffusers', '--python', PEER, '--size', '32x64', '--threads', '2', '--json'];
    const { code, out, err } = await bench([...QUICK, ...flags]);
    expect(code, err).toBe(0);
    const { subjects, threads } = REPORT.parse(JSON.parse(out));
    expect(threads).toBe(2);
    expect(subjects.map(({ name }) => name)).toEqual(['onnxruntime', 'diffusers (eager, cpu)']);
    expect(subjects[1]).toMatchObject({
      runsOn: 'torch 9.9, diffusers 8.8, float32, on the CPU',
      imageMs: { median: 12 },
      unetStepMs: { median: 4 },
      ratio: { image: 12 / (subjects[0]?.imageMs.median as number), firstImage: null },
      difference: { maxAbs: expect.any(Number), psnr: expect.any(Number) },
    });
    const [args, ...requests] = readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(args.slice(-5)).toEqual([TINY, '--device', 'cpu', '--threads', '2']);
    const asked = { mode: 'eager', seed: 7, steps: 2, guidance: 7.5, latentHeight: 8, latentWidth: 4 };
    // Once to warm up, once in the round.
    expect(requests).toEqual([expect.objectContaining(asked), expect.objectContaining(asked)]);
  });

  it.each([
    ['at once', "No module named 'torch'"],
    ['when asked', 'MemoryError: none left'],
  ])('tells what Python says that fails %s', async (when, message) => {
    vi.stubEnv('T2I_PEER_FAILS', when);
    const { code, err } = await bench([...QUICK, '--against', 'diffusers', '--python', PEER]);
    expect(code).toBe(4);
    expect(err).toContain(message);
    expect(err).not.toContain('bug');
  });

  it('names an interpreter that is not there', async () => {
    const { code, err } = await bench([...QUICK, '--against', 'diffusers', '--python', join(folder, 'python')]);
    expect(code).toBe(4);
    expect(err).toContain(join(folder, 'python'));
  });
});
