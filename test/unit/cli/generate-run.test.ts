import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CommandInput } from '../../../src/cli/command.js';
import { readFlags } from '../../../src/cli/generate/flags.js';
import { runTasks } from '../../../src/cli/generate/run.js';
import { makeTasks, type Source } from '../../../src/cli/generate/tasks.js';
import { Interrupted } from '../../../src/cli/io.js';
import { T2IError } from '../../../src/errors.js';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { PROCESS_TAG, processTag } from '../../../src/process-tag.js';
import { temporaryPath } from '../../../src/temporary-files.js';
import { fakeIo, shownLines } from '../../support/fake-io.js';
import { memoryPipeline } from '../../support/memory-session.js';
import { LIMITS } from '../../support/request-limits.js';

const limits = { ...LIMITS, nativeSize: { width: 32, height: 32 }, backends: ['auto'] };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-run-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const files = () => readdirSync(folder).sort();
type Given = Parameters<typeof fakeIo>[0] & { metadata?: boolean; json?: boolean };

/** Runs the tasks of a command line before a session in memory. */
async function run(source: Source, flags: CommandInput['flags'] = {}, given: Given = {}) {
  const { metadata = true, json = false, ...options } = given;
  const io = fakeIo({ columns: 200, ...options });
  const { pipeline, session } = memoryPipeline();
  const { output = at('{seed}.png'), ...rest } = flags as { output?: string };
  const tasks = makeTasks(
    source,
    readFlags({ args: [], flags: { steps: '2', ...rest } }),
    { output, format: undefined },
    limits,
  );
  const error = await runTasks(pipeline, tasks, { metadata, json }, io).catch((cause: unknown) => cause);
  await pipeline.close();
  return { error, out: io.out(), err: io.err(), seeds: session.jobs.flatMap(({ seeds }) => seeds) };
}
const batch = (...lines: object[]) => ({ batch: lines.map((line) => JSON.stringify(line)).join('\n') });
const LINES = batch({ prompt: 'a red apple', seed: 1 }, { prompt: 'a cat', seeds: [2, 3] });
const shown = (err: string) => shownLines(err).filter((line) => line !== '');

describe('a batch', () => {
  it('writes each image with its receipt, and prints its path as soon as it is there', async () => {
    const { error, out, err, seeds } = await run(LINES);
    expect([error, seeds]).toEqual([undefined, [1, 2, 3]]);
    expect(out).toBe(`${at('1.png')}\n${at('2.png')}\n${at('3.png')}\n`);
    expect(err).toMatch(/^wrote \S+1\.png \(seed 1, 0\.0 s, memory\)\nwrote .*2\.png .*\nwrote .*3\.png .*\n$/);
    expect(await readReceipt(at('3.png'))).toMatchObject({ prompt: 'a cat', seed: 3, plan: { steps: 2 } });
    expect(files()).toEqual(['1.png', '2.png', '3.png']);
  });

  it('that is run again does only what is missing', async () => {
    await run(LINES);
    const before = readFileSync(at('3.png'));
    rmSync(at('2.png'));
    writeFileSync(at('1.png'), before.subarray(0, 60));
    const { out, err, seeds } = await run(LINES);
    expect(seeds).toEqual([1, 2]);
    expect(out).toBe(`${at('1.png')}\n${at('2.png')}\n`);
    expect(err).toMatch(/^replaced .*1\.png .*\nwrote .*2\.png .*\n\S*3\.png is there already\n$/);
    expect((await readReceipt(at('1.png'))).seed).toBe(1);
    expect((await run(LINES)).seeds).toEqual([]);
  });

  it('draws again what was drawn otherwise', async () => {
    await run(LINES);
    const { seeds, err } = await run(LINES, { steps: '3' });
    expect([seeds, err.match(/^replaced/gm)]).toEqual([
      [1, 2, 3],
      ['replaced', 'replaced', 'replaced'],
    ]);
  });

  it('tells programs which line each image is of, and whether it was there', async () => {
    await run({ prompt: 'a red apple' }, { seed: '1' });
    const { out, err } = await run(LINES, {}, { json: true });
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const backend = { name: 'memory', runtime: 'formula 1.0', tried: [] };
    const size = { width: 32, height: 32 };
    const common = { ...size, warnings: [], backend };
    expect(lines).toEqual([
      { file: at('1.png'), line: 1, prompt: 'a red apple', seed: 1, skipped: true, ...common },
      ...[2, 3].map((seed) => ({
        ...{ file: at(`${seed}.png`), line: 2, prompt: 'a cat', seed, skipped: false, ...common },
        timings: expect.objectContaining({ total: 6 }),
      })),
    ]);
    expect(err).not.toContain('already');
  });

  it('takes what is there as it is where no receipt is wanted, and says so once', async () => {
    const bare = await run(LINES, {}, { metadata: false });
    expect(bare.err).not.toContain('warning');
    await expect(readReceipt(at('1.png'))).rejects.toMatchObject({ code: 'RECEIPT_MISSING' });
    rmSync(at('1.png'));
    const { err, seeds } = await run(LINES, {}, { metadata: false });
    expect(seeds).toEqual([1]);
    expect(err.match(/^warning: with --no-metadata/gm)).toHaveLength(1);
    // With receipts, what has none is not known to be the image.
    expect((await run(LINES)).seeds).toEqual([1, 2, 3]);
  });

  it('shows which line and image it is at, and what is left of all', async () => {
    await run(batch({ prompt: 'a red apple', seed: 1 }));
    const { err } = await run(LINES, {}, { terminal: true });
    const lines = shown(err).map((line) => line.replace(/, [\d.]+ s left/, ''));
    expect(lines.filter((line) => line.startsWith('line'))).toEqual([
      ...['line 2, image 1 of 2, seed 2, 25 %', 'line 2, image 1 of 2, seed 2, 50 %'],
      ...['line 2, image 2 of 2, seed 3, 75 %', 'line 2, image 2 of 2, seed 3, 100 %'],
    ]);
    expect(err.endsWith('\r\u001b[K')).toBe(true);
  });

  it('warns with the line, once for each', async () => {
    const idle = { negativePrompt: 'blue', guidance: 1 };
    const { err } = await run(batch({ prompt: 'a', seeds: [1, 2], ...idle }, { prompt: 'b', seed: 3, ...idle }));
    expect(err.match(/^warning: line \d: /gm)).toEqual(['warning: line 1: ', 'warning: line 2: ']);
  });

  it('that is interrupted keeps what it has, and leaves nothing half done', async () => {
    const end = new AbortController();
    const onErr = (text: string) => {
      if (text.includes('1.png')) end.abort(new Interrupted('SIGINT'));
    };
    const { error, out } = await run(LINES, { preview: true }, { signal: end.signal, onErr });
    expect(error).toBeInstanceOf(Interrupted);
    expect([out, files()]).toEqual([`${at('1.png')}\n`, ['1.png']]);
  });

  it('that cannot write an image keeps the others, and clears its line', async () => {
    mkdirSync(at('2.png'));
    const { error, out, err } = await run(LINES, {}, { terminal: true });
    expect(T2IError.is(error)).toBe(true);
    expect([out, files()]).toEqual([`${at('1.png')}\n`, ['1.png', '2.png']]);
    expect(err.endsWith('\r\u001b[K')).toBe(true);
  });
});

describe('the images of one prompt', () => {
  const PROMPT = { prompt: 'a cat' };

  it('replace those of before, and have neither line nor number where there is one', async () => {
    await run(PROMPT, { seed: '4' });
    const again = await run(PROMPT, { seed: '4' }, { json: true, terminal: true });
    expect(again.seeds).toEqual([4]);
    expect(JSON.parse(again.out)).not.toHaveProperty('line');
    expect(shown(again.err)[0]).toMatch(/^seed 4, 50 %/);
    expect(again.err).toMatch(/replaced \S+4\.png/);
    expect(shown((await run(PROMPT, { seed: '4', count: '2' }, { terminal: true })).err)[0]).toMatch(
      /^image 1 of 2, seed 4/,
    );
  });

  it('go to standard output where that is asked for, with their receipt, and leave files alone', async () => {
    const { out, err } = await run(PROMPT, { seed: '4', output: '-', preview: true });
    expect((await readReceipt(Buffer.from(out, 'latin1'))).seed).toBe(4);
    expect(err).toMatch(/^wrote an image to standard output \(seed 4, /);
    const bare = await run(PROMPT, { seed: '4', output: '-' }, { metadata: false });
    await expect(readReceipt(Buffer.from(bare.out, 'latin1'))).rejects.toMatchObject({ code: 'RECEIPT_MISSING' });
    expect(existsSync('-.preview.png')).toBe(false);
  });

  it('are shown while they are drawn where that is asked for, and not after', async () => {
    const seen = new Set<string>();
    const watch = () => files().forEach((name) => void seen.add(name));
    const { error } = await run(PROMPT, { seed: '4', steps: '60', preview: true }, { terminal: true, onErr: watch });
    expect([error, seen.has('4.png.preview.png'), files()]).toEqual([undefined, true, ['4.png']]);
    seen.clear();
    await run(PROMPT, { seed: '5', steps: '60' }, { terminal: true, onErr: watch });
    expect([...seen].filter((name) => name.includes('preview'))).toEqual([]);
  });

  it('touch no file that is named as their preview where none is asked for', async () => {
    writeFileSync(at('4.png.preview.png'), 'of somebody else');
    await run(PROMPT, { seed: '4' });
    expect(files()).toEqual(['4.png', '4.png.preview.png']);
  });

  it('warn without a line', async () => {
    const { err } = await run(PROMPT, { negative: 'blue', guidance: '1' });
    expect(err).toMatch(/^warning: (?!line)/);
  });

  it('remove what killed runs left in their folder alone', async () => {
    const gone = temporaryPath('x.png').replace(PROCESS_TAG, processTag(2 ** 22 + 1));
    const elsewhere = join(mkdtempSync(join(folder, 'other-')), gone);
    for (const path of [at(gone), elsewhere, at('.mine.tmp')]) writeFileSync(path, '');
    await run(PROMPT, { seed: '4' });
    expect(files().filter((name) => !name.startsWith('other'))).toEqual(['.mine.tmp', '4.png']);
    expect(existsSync(elsewhere)).toBe(true);
  });

  it('have names that steer no terminal', async () => {
    const name = at('a\u001b[2Jb.png');
    const { out, err } = await run(PROMPT, { seed: '4', output: name });
    for (const text of [out, err]) expect(text).toContain('a\\u{1b}[2Jb.png');
    expect(existsSync(name)).toBe(true);
    const skipped = await run(batch({ prompt: 'a cat', seed: 4 }), { output: name });
    expect(skipped.err).toContain('a\\u{1b}[2Jb.png is there already');
  });
});
