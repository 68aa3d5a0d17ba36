import { describe, expect, it } from 'vitest';
import { renderHtml } from '../../../src/bench/report/html.js';
import { plot, ticksUpTo } from '../../../src/bench/report/plot.js';
import { type BenchReport, makeReport } from '../../../src/bench/report/report.js';
import { concurrencyTable, contextRows, imageTable } from '../../../src/bench/report/tables.js';
import { formatMs, formatSummary } from '../../../src/bench/report/words.js';
import { emptyLog, runRounds } from '../../../src/bench/run.js';
import type { ModelDescription } from '../../../src/model/description.js';
import type { Request } from '../../../src/options.js';
import { fakeSubject } from './subjects.js';

const REQUEST: Request = {
  prompt: 'a <b>red</b> apple',
  negativePrompt: '',
  seeds: [7],
  steps: 4,
  guidanceScale: 5,
  sampler: 'ddim',
  sigmas: null,
  eta: 0,
  width: 128,
  height: 64,
  previewEvery: 0,
};

async function reportOf(...subjects: ReturnType<typeof fakeSubject>[]): Promise<BenchReport> {
  const logs = subjects.map(emptyLog);
  await runRounds(logs, { rounds: 2, signal: new AbortController().signal, onProgress: () => {} });
  const context = {
    date: '2026-11-25T12:00:00.000Z',
    machine: { t2i: '@t2i/sdk 1.0', node: 'v20', platform: 'linux x64', cpu: 'a CPU, 2 cores', memoryBytes: 2 ** 33 },
    threads: null,
    rounds: 2,
    complete: true,
    skipped: [{ name: 'tensorrt', reason: 'no GPU', hint: 't2i doctor' }],
    model: { name: 'tiny', hashes: { 'unet/model.onnx': 'ab' } } as unknown as ModelDescription,
    request: REQUEST,
    preset: null,
  };
  return makeReport(context, logs);
}

const ours = () => fakeSubject({ name: 'onnxruntime', ms: 100, networksMs: 90 });
const theirs = () => fakeSubject({ name: 'diffusers', ms: 250, networksMs: null, concurrency: [1], firstImage: null });

describe('a report', () => {
  it('takes image, UNet step and time outside the networks from single requests alone', async () => {
    const [subject] = (await reportOf(ours())).subjects;
    expect(subject?.imageMs).toMatchObject({ median: 100, values: [100, 100] });
    expect(subject?.unetStepMs?.median).toBe(20);
    expect(subject?.outsideNetworks?.ms.median).toBe(10);
    expect(subject?.outsideNetworks?.share.median).toBeCloseTo(0.1, 12);
  });

  it('counts what was turned away as refused, and not as images', async () => {
    const server = fakeSubject({ name: 'serve', room: 1, concurrency: [1, 4] });
    const [alone, crowded] = (await reportOf(server)).subjects[0]?.concurrency ?? [];
    expect(alone).toMatchObject({ requests: 1, refusedShare: 0 });
    expect(crowded).toMatchObject({ requests: 4, refusedShare: 0.75, imagesPerSecond: { median: 10 } });
    expect(crowded?.latencyMs.count).toBe(2);
    const { rows } = concurrencyTable(await reportOf(server, ours()));
    expect(rows.map((cells) => cells[7])).toEqual(['0.00 %', '75.0 %', '-', '-']);
    expect((await reportOf(server)).subjects[0]?.imageMs?.values).toEqual([100, 100]);
  });

  it('counts images a second by the wall, and latency by request', async () => {
    const [subject] = (await reportOf(ours())).subjects;
    expect(subject?.concurrency.map(({ requests }) => requests)).toEqual([1, 2]);
    expect(subject?.concurrency[1]).toMatchObject({
      imagesPerSecond: { median: 10 },
      latencyMs: { p50: 150, count: 4, values: [100, 200, 100, 200] },
      eventLoopDelayMs: { median: 1.5 },
    });
  });

  it('compares with the first subject, times and pixels', async () => {
    const [first, second] = (await reportOf(ours(), theirs())).subjects;
    expect(first).toMatchObject({ ratio: { image: 1, unetStep: 1, firstImage: 1 }, difference: null });
    expect(second).toMatchObject({
      ratio: { image: 2.5, unetStep: 2.5, firstImage: null },
      difference: { maxAbs: 150, meanAbs: 50 },
      outsideNetworks: null,
      firstImageMs: null,
      memory: null,
      concurrency: [{ requests: 1, eventLoopDelayMs: null }],
    });
  });

  it('writes equal pixels so that JSON can hold it', async () => {
    const { subjects } = await reportOf(ours(), fakeSubject({ name: 'b', ms: 100 }));
    expect(JSON.parse(JSON.stringify(subjects[1]?.difference))).toEqual({ maxAbs: 0, meanAbs: 0, psnr: null });
  });

  it('takes memory and load of first images, and compares with nothing that is not there', async () => {
    const report = await reportOf(ours(), fakeSubject({ name: 'b', ms: 200 }));
    expect(report.subjects[1]).toMatchObject({
      loadMs: { median: 1600 },
      memory: { process: { median: 50 * 2 ** 20 }, children: { median: 100 * 2 ** 20 } },
      ratio: { image: 2, unetStep: 2, firstImage: 2 },
    });
    const log = emptyLog(ours());
    const alone = makeReport({ model: {}, request: REQUEST } as Parameters<typeof makeReport>[0], [log, log]);
    expect(alone.subjects[1]?.difference).toBeNull();
  });

  it('has null for what was not measured yet', () => {
    const context = { model: {}, request: REQUEST } as Parameters<typeof makeReport>[0];
    expect(makeReport(context, [emptyLog(ours())]).subjects[0]).toMatchObject({
      imageMs: null,
      unetStepMs: null,
      outsideNetworks: null,
      firstImageMs: null,
      memory: null,
      concurrency: [],
      ratio: { image: null, unetStep: null, firstImage: null },
    });
  });
});

describe('the tables', () => {
  it('name what was measured, and what was skipped and why', async () => {
    const rows = Object.fromEntries(contextRows(await reportOf(ours())));
    expect(rows).toEqual({
      date: '2026-11-25T12:00:00.000Z',
      machine: 'a CPU, 2 cores, 8 GiB, linux x64',
      versions: '@t2i/sdk 1.0, node v20',
      threads: "each runtime's own choice",
      model: 'tiny',
      request: '128x64, 4 steps of ddim, guidance 5',
      onnxruntime: 'onnxruntime 1.0 on the CPU',
      tensorrt: 'skipped: no GPU\nt2i doctor',
      rounds: '2',
    });
    const report = await reportOf(ours());
    const chosen = { ...report, complete: false, threads: 3, request: { ...report.request, preset: 'fast' } };
    expect(Object.fromEntries(contextRows(chosen))).toMatchObject({
      rounds: '2, not all of them measured',
      threads: '3',
      request: '128x64, 4 steps of ddim, guidance 5, preset fast',
    });
  });

  it('tell once what a backend warned of', async () => {
    const warnings = new Set(['steps ran without a captured graph']);
    const report = await reportOf(fakeSubject({ name: 'tensorrt', warnings }));
    expect(report.subjects[0]?.warnings).toEqual(['steps ran without a captured graph']);
    const rows = contextRows(report).map(([, value]) => value);
    expect(rows).toContain('tensorrt 1.0 on the CPU\nwarning: steps ran without a captured graph');
  });

  it('hold medians, quartiles and ratios, and no row that nobody fills', async () => {
    const { head, rows } = imageTable(await reportOf(ours(), theirs()));
    expect(head).toEqual(['', 'onnxruntime', 'diffusers']);
    expect(rows).toContainEqual(['whole image', '100 ms (100 ms to 100 ms)', '250 ms (250 ms to 250 ms), 2.50x']);
    expect(rows).toContainEqual(['outside the networks', '10.0 ms (10.0 ms to 10.0 ms), 10.0 %', '-']);
    expect(rows).toContainEqual(['peak memory, children', '100 MiB (100 MiB to 100 MiB)', '-']);
    expect(rows).toContainEqual(['image beside the first', '-', 'PSNR 9.4 dB']);
    const equal = imageTable(await reportOf(ours(), fakeSubject({ name: 'b', ms: 100 }))).rows;
    expect(equal).toContainEqual(['image beside the first', '-', 'every byte is equal']);
    const alone = imageTable(await reportOf(theirs())).rows.map(([label]) => label);
    expect(alone).toEqual(['whole image', 'one UNet step']);
  });

  it('have a row for each number of requests at once', async () => {
    const { head, rows } = concurrencyTable(await reportOf(ours(), theirs()));
    expect(rows.map((cells) => cells.slice(0, 2).join(' '))).toEqual(['onnxruntime 1', 'onnxruntime 2', 'diffusers 1']);
    for (const cells of rows) expect(cells).toHaveLength(head.length);
  });

  it('write three digits, and one value without a range', () => {
    expect([0.4161, 9.994, 12.06, 384.2, 1000, 2082].map(formatMs)).toEqual([
      '0.42 ms',
      '9.99 ms',
      '12.1 ms',
      '384 ms',
      '1.00 s',
      '2.08 s',
    ]);
    expect(formatSummary({ median: 5, low: 5, high: 5, values: [5] }, formatMs)).toBe('5.00 ms');
    expect(formatSummary(null, formatMs)).toBe('-');
  });
});

describe('the page', () => {
  it('needs no other file and no network', async () => {
    const page = renderHtml(await reportOf(ours(), theirs()));
    expect(page).not.toMatch(/<(script|link|img|iframe)|src=|href=|url\(|@import|https?:/i);
    expect(page.match(/<svg /g)).toHaveLength(5);
  });

  it('escapes the text of others and holds the whole report', async () => {
    const report = await reportOf(ours(), theirs());
    const page = renderHtml(report);
    expect(page).not.toContain('<b>');
    const json = /<pre>([\s\S]*)<\/pre>/.exec(page)?.[1] as string;
    const text = json
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
      .replaceAll('&amp;', '&');
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(report)));
  });

  it('heads the columns and the rows of its tables', async () => {
    const page = renderHtml(await reportOf(ours(), theirs()));
    expect(page).toContain('<table><tr><th>date</th><td>2026-11-25T12:00:00.000Z</td></tr>\n<tr>');
    expect(page).toContain(
      '<table><tr><th></th><th>onnxruntime</th><th>diffusers</th></tr>\n<tr><th>whole image</th><td>100 ms',
    );
  });

  it('leaves out plots without measurements', async () => {
    expect(renderHtml(await reportOf(theirs())).match(/<svg /g)).toHaveLength(4);
  });

  it('has a row for each, with its name before, its bar and its dots on one line', () => {
    const row = { median: 50, values: [50, 100] };
    const svg = plot(
      'times',
      [
        { label: 'a', ...row },
        { label: 'b', ...row },
      ],
      String,
    );
    const numbers = (pattern: RegExp) => [...svg.matchAll(pattern)].map(([, number]) => Number(number));
    const [a, b] = numbers(/cy="([\d.]+)"/g).filter((_, place) => place % 2 === 0) as [number, number];
    expect(b - a).toBe(2 * a);
    // A bar of the half ends half-way to the dot of the whole.
    const [half, whole] = numbers(/cx="([\d.]+)"/g) as [number, number];
    const [x] = numbers(/<rect[^>]* x="([\d.]+)"/g) as [number];
    const [width] = numbers(/<rect[^>]* width="([\d.]+)"/g) as [number];
    expect(x + width).toBeCloseTo(half, 0);
    expect(whole - half).toBeCloseTo(width, 0);
    const [label, value] = numbers(/<text[^t]* x="([\d.]+)"/g).slice(-2) as [number, number];
    expect([label < x, value > whole]).toEqual([true, true]);
    // The numbers of the axis lie below the last row, which ends at 2 * 2 * a, and within the picture.
    const [right] = numbers(/viewBox="0 0 (\d+)/g) as [number];
    const [bottom] = numbers(/viewBox="0 0 \d+ (\d+)/g) as [number];
    for (const y of numbers(/class="tick"[^>]* y="([\d.]+)"/g)) expect([y > 4 * a, y < bottom]).toEqual([true, true]);
    expect(value).toBeLessThan(right);
    for (const [place, y] of numbers(/<(?:rect|text class="label")[^>]* y="([\d.]+)"/g).entries()) {
      expect(Math.abs(y - (place < 2 ? a : b))).toBeLessThan(a);
    }
  });

  it('draws every value within the plot, the largest on the last gridline or before it', () => {
    const svg = plot('times', [{ label: 'a', median: 40, values: [30, 40, 97] }], String);
    const centres = [...svg.matchAll(/cx="([\d.]+)"/g)].map(([, x]) => Number(x));
    const lines = [...svg.matchAll(/M([\d.]+) 0V/g)].map(([, x]) => Number(x));
    expect(centres).toHaveLength(3);
    expect(Math.max(...centres)).toBeLessThanOrEqual(Math.max(...lines));
    expect(Math.min(...centres)).toBeGreaterThan(lines[0] as number);
  });

  it.each([
    [97, [0, 20, 40, 60, 80, 100]],
    [1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0.0123, [0, 0.005, 0.01, 0.015]],
    [0, [0, 1]],
  ])('has round gridlines up to %f', (largest, expected) => {
    const ticks = ticksUpTo(largest);
    expect(ticks).toHaveLength(expected.length);
    for (const [place, tick] of ticks.entries()) expect(tick).toBeCloseTo(expected[place] as number, 10);
  });
});
