import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Interrupted } from '../../src/cli/io.js';
import { main } from '../../src/cli/main.js';
import { readReceipt } from '../../src/image/read-receipt.js';
import { cutText, fakeIo, shownLines } from '../support/fake-io.js';

const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-cli-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (name: string) => join(folder, name);

async function t2i(argv: readonly string[], options: Parameters<typeof fakeIo>[0] = {}) {
  const io = fakeIo(options);
  const code = await main(argv, io);
  const lines = () => io.out().trimEnd().split('\n');
  return { code, err: io.err(), lines: lines(), json: () => lines().map((line) => JSON.parse(line)) };
}

const generate = (...argv: string[]) =>
  t2i(['generate', '--model', TINY, '--backend', 'onnxruntime', '--steps', '2', ...argv]);

describe('t2i generate', () => {
  it('writes the image with its receipt and prints the path alone', async () => {
    const { code, lines, err } = await generate('a red apple', '--seed', '7', '-o', file('apple.png'));
    expect(err).toContain('wrote');
    expect(code).toBe(0);
    expect(lines).toEqual([file('apple.png')]);
    expect(await readReceipt(file('apple.png'))).toMatchObject({ prompt: 'a red apple', seed: 7, plan: { steps: 2 } });
    expect(readdirSync(folder)).toEqual(['apple.png']);
  });

  it('takes the prompt from standard input and replaces a file, and says so', async () => {
    writeFileSync(file('apple.png'), 'old');
    const argv = ['generate', '-', '--model', TINY, '--steps', '1', '-o', file('apple.png')];
    const { code, err } = await t2i(argv, { stdin: 'a blue\nbird\n' });
    expect(code).toBe(0);
    expect(err).toContain('replaced');
    expect((await readReceipt(file('apple.png'))).prompt).toBe('a blue\nbird');
  });

  it('gives every option to the receipt, and the receipt makes the same image again', async () => {
    const options = ['--sampler', 'ddim', '--eta', '0.5', '--guidance', '3', '--negative', 'blue', '--seed', '9'];
    await generate('a cat', ...options, '-o', file('cat.png'));
    const [receipt] = (await t2i(['inspect', file('cat.png'), '--json'])).json();
    expect(receipt).toMatchObject({
      prompt: 'a cat',
      negativePrompt: 'blue',
      seed: 9,
      guidanceScale: 3,
      plan: { sampler: 'ddim', eta: 0.5, sigmas: null, steps: 2 },
    });
    const { sampler, eta, steps } = receipt.plan;
    const again = ['--sampler', sampler, '--eta', String(eta), '--steps', String(steps)];
    again.push('--guidance', String(receipt.guidanceScale), '--negative', receipt.negativePrompt);
    again.push('--seed', String(receipt.seed), '--size', `${receipt.width}x${receipt.height}`);
    await t2i(['generate', receipt.prompt, '--model', TINY, ...again, '-o', file('again.png')]);
    expect(readFileSync(file('again.png')).equals(readFileSync(file('cat.png')))).toBe(true);
  });

  it('prints a JSON object for each image with --json, as soon as it is written', async () => {
    const io = fakeIo();
    const seen: [line: { file: string }, files: string[]][] = [];
    const write = io.stdout.write.bind(io.stdout);
    io.stdout.write = (text) => {
      seen.push([JSON.parse(String(text)), readdirSync(folder).sort()]);
      return write(text);
    };
    const options = ['--model', TINY, '--steps', '2', '--seeds', '3,1', '--json', '-o', file('{seed}.webp')];
    expect(await main(['a cat', ...options], io)).toBe(0);
    const image = (seed: number) => ({
      file: file(`${seed}.webp`),
      prompt: 'a cat',
      seed,
      width: expect.any(Number),
      height: expect.any(Number),
      skipped: false,
      timings: expect.objectContaining({ total: expect.any(Number) }),
      warnings: [],
      backend: {
        name: 'onnxruntime',
        runtime: expect.stringMatching(/^onnxruntime-node \d/),
        tried: expect.any(Array),
      },
    });
    expect(seen).toEqual([
      [image(3), ['3.webp']],
      [image(1), ['1.webp', '3.webp']],
    ]);
  });

  it('shows that it loads the model, and leaves nothing of it', async () => {
    const argv = ['a cat', '--model', TINY, '--steps', '1', '--seed', '1', '-o', file('a.png')];
    const terminal = await t2i(argv, { terminal: true, columns: 30, env: { NO_COLOR: '1' } });
    const shown = shownLines(terminal.err);
    expect(shown).toContain('loading the model tiny');
    for (const line of shown) if (!line.startsWith('wrote')) expect(line.length).toBeLessThan(30);
    expect(shown.at(-1)).toMatch(/^$|^wrote .*\n$/);
    expect((await t2i(argv)).err).not.toContain('loading');
  });

  it('warns, once, of a negative prompt without effect', async () => {
    const { code, err } = await generate('x', '--guidance', '1', '--negative', 'y', '-n', '2', '-o', `${folder}/`);
    expect(code).toBe(0);
    expect(err.match(/^warning:/gm)).toHaveLength(1);
  });

  it('leaves no receipt with --no-metadata', async () => {
    await generate('a cat', '--no-metadata', '-o', file('cat.jpg'));
    expect(await t2i(['inspect', file('cat.jpg')])).toMatchObject({
      code: 1,
      err: expect.stringContaining('no receipt'),
    });
  });

  it('shows a preview while it draws and removes it', async () => {
    const seen = new Set<string>();
    const watch = setInterval(() => readdirSync(folder).forEach((name) => void seen.add(name)), 1);
    const { code } = await generate('a cat', '--preview', '--steps', '20', '-o', file('cat.png'));
    clearInterval(watch);
    expect(code).toBe(0);
    expect(seen).toContain('cat.png.preview.png');
    expect(readdirSync(folder)).toEqual(['cat.png']);
  });

  it.each([
    [['--steps', '0', '--guidance', 'x', '--size', '7x7'], 2, ['--steps', '--guidance', '--size']],
    [['-n', '2'], 2, ['--output']],
    [['--model', '/no/such/model'], 3, ['/no/such/model']],
  ])('with %j ends with %i and writes nothing', async (argv, code, words) => {
    const result = await generate('a cat', '-o', file('cat.png'), ...argv);
    expect(result.code).toBe(code);
    for (const word of words) expect(result.err).toContain(word);
    expect(result.err).not.toMatch(/\n {4}at /);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('writes the image itself to standard output where that is asked for', async () => {
    const io = fakeIo();
    expect(await main(['generate', 'a cat', '--model', TINY, '--steps', '2', '--seed', '3', '-o', '-'], io)).toBe(0);
    const bytes = Buffer.from(io.out(), 'latin1');
    expect((await readReceipt(bytes)).seed).toBe(3);
    expect(io.err()).toMatch(/^wrote an image to standard output \(seed 3, /m);
    for (const more of [['--json'], ['-n', '2']]) {
      const refused = fakeIo();
      expect(await main(['generate', 'a cat', '--model', TINY, '-o', '-', ...more], refused)).toBe(2);
    }
  });

  it('tells of a folder that cannot be made before it draws, by its name and as no bug', async () => {
    writeFileSync(file('taken'), '');
    const io = fakeIo();
    expect(await main(['generate', 'a cat', '--model', TINY, '-o', file('taken/a/b.png')], io)).toBe(1);
    expect(io.err()).toContain(file('taken'));
    expect(io.err()).not.toMatch(/bug|\n {4}at /);
  });

  it('stops in the middle when it is interrupted, keeps what is finished and nothing else', async () => {
    const control = new AbortController();
    const onErr = (text: string) => text.includes('image 2 of 3') && control.abort(new Interrupted('SIGINT'));
    const io = fakeIo({ signal: control.signal, terminal: true, onErr });
    const argv = ['generate', 'a cat', '--model', TINY, '--steps', '200', '--seeds', '1,2,3', '-o', file('{seed}.png')];
    expect(await main(argv, io)).toBe(130);
    expect(readdirSync(folder)).toEqual(['1.png']);
    expect((await readReceipt(file('1.png'))).seed).toBe(1);
  });
});

describe('t2i generate --batch', () => {
  const batchWith = (flags: readonly string[], ...lines: object[]) => {
    writeFileSync(file('prompts.jsonl'), lines.map((line) => JSON.stringify(line)).join('\n'));
    return generate('--batch', file('prompts.jsonl'), '-o', file('out/'), '--json', ...flags);
  };
  const batch = (...lines: object[]) => batchWith([], ...lines);
  const made = (result: { json(): { line: number; skipped: boolean }[] }) =>
    result.json().map(({ line, skipped }) => [line, !skipped]);

  it('reads standard input, whose chunks may end within a character', async () => {
    const line = JSON.stringify({ prompt: 'an apple 🍎', steps: 1, output: file('apple.png') });
    const [stdin = []] = cutText(line);
    expect((await t2i(['generate', '--batch', '-', '--model', TINY], { stdin })).code).toBe(0);
    expect((await readReceipt(file('apple.png'))).prompt).toBe('an apple 🍎');
  });

  it('makes what is missing only, when it is run again', async () => {
    const lines = [
      { prompt: 'a cat', n: 2 },
      { prompt: 'a dog', seed: 5 },
    ];
    const first = await batch(...lines);
    expect(first.code).toBe(0);
    expect(made(first)).toEqual([
      [1, true],
      [1, true],
      [2, true],
    ]);
    const files = first.json().map((image: { file: string }) => image.file);
    const times = () => files.map((path) => statSync(path).mtimeMs);
    const before = times();

    expect(made(await batch(...lines))).toEqual([
      [1, false],
      [1, false],
      [2, false],
    ]);
    expect(times()).toEqual(before);

    rmSync(files[1] as string);
    writeFileSync(files[2] as string, 'damaged');
    expect(made(await batch(...lines))).toEqual([
      [1, false],
      [1, true],
      [2, true],
    ]);
    expect(made(await batch(lines[0] as object, { prompt: 'a dog', seed: 5, steps: 3 }))).toEqual([
      [1, false],
      [1, false],
      [2, true],
    ]);
  });

  it.each(['png', 'jpeg', 'webp'])('resumes %s without metadata by what exists, and says so', async (format) => {
    const bare = () => batchWith(['--no-metadata', '--format', format], { prompt: 'a cat', n: 4 });
    const first = await bare();
    const paths: string[] = first.json().map((image: { file: string }) => image.file);
    const [one, two, three, four] = paths as [string, string, string, string];
    expect(made(first)).toEqual([1, 1, 1, 1].map((line) => [line, true]));
    expect(first.err).not.toContain('warning');

    rmSync(one);
    writeFileSync(two, readFileSync(two).subarray(0, 99));
    await generate('a cat', '--seed', '2', '-o', three);
    const second = await bare();
    // Missing, damaged, with a receipt, there.
    const left = second.json().filter(({ skipped }: { skipped: boolean }) => skipped);
    expect(left.map((image: { file: string }) => image.file)).toEqual([four]);
    expect(second.json()).toHaveLength(4);
    expect(second.err).toMatch(/^warning: with --no-metadata .* is left as it is$/m);
    await expect(readReceipt(three)).rejects.toMatchObject({ code: 'RECEIPT_MISSING' });
  });

  it('tells all bad lines before anything runs', async () => {
    const { code, err } = await batch({ prompt: 'a cat' }, { prompt: 'b', steps: 0 }, { promt: 'c' });
    expect(code).toBe(2);
    expect(err).toContain('line 2: steps');
    expect(err).toContain('line 3: promt');
    expect(existsSync(file('out'))).toBe(false);
  });
});
