import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import '../../../src/cli/generate/generate-images.js';
import { main } from '../../../src/cli/main.js';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { Pipeline } from '../../../src/pipeline.js';
import { fakeIo } from '../../support/fake-io.js';
import { memoryPipeline } from '../../support/memory-session.js';

const MODEL = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-generate-'));
  vi.spyOn(Pipeline, 'loadWith').mockImplementation(async (describe) => {
    const { hashes } = await describe(MODEL, undefined, () => {}, undefined);
    return memoryPipeline({ hashes }).pipeline;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const at = (name: string) => join(folder, name);
/** Runs it before a session in memory, for a real model. */
async function generate(argv: readonly string[], given: Parameters<typeof fakeIo>[0] = {}) {
  const io = fakeIo({ cwd: folder, ...given });
  const code = await main(['generate', ...argv, '--model', MODEL, '--steps', '2'], io);
  return { code, out: io.out(), err: io.err(), json: () => JSON.parse(io.out()) };
}
const lines = (...written: object[]) => written.map((line) => JSON.stringify(line)).join('\n');
const REFUSED = { code: 'OPTION_INVALID' };

describe('t2i generate', () => {
  it('draws a prompt into a file with its receipt, and prints its path', async () => {
    const { code, out } = await generate(['a red apple', '--seed', '4', '-o', at('new/apple.png')]);
    expect([code, out]).toEqual([0, `${at('new/apple.png')}\n`]);
    expect(await readReceipt(at('new/apple.png'))).toMatchObject({ prompt: 'a red apple', seed: 4 });
  });

  it('leaves the receipt out where that is asked for', async () => {
    expect((await generate(['a cat', '--no-metadata', '-o', at('a.png')])).code).toBe(0);
    await expect(readReceipt(at('a.png'))).rejects.toMatchObject({ code: 'RECEIPT_MISSING' });
  });

  it('takes the prompt from standard input for -', async () => {
    const { json } = await generate(['-', '--json', '-o', at('a.png')], { stdin: 'a cat\n' });
    expect(json()).toMatchObject({ prompt: 'a cat', file: at('a.png'), skipped: false });
  });

  it.each(['file', 'standard input'])('draws the lines of a batch from a %s', async (from) => {
    const text = lines({ prompt: 'a cat', seed: 1 }, { prompt: 'a dog', seed: 2 });
    writeFileSync(at('batch.jsonl'), text);
    const name = from === 'file' ? at('batch.jsonl') : '-';
    const { code, out } = await generate(['--batch', name, '-o', at('{seed}.png')], { stdin: text });
    expect([code, out]).toEqual([0, `${at('1.png')}\n${at('2.png')}\n`]);
    expect(await readReceipt(at('2.png'))).toMatchObject({ prompt: 'a dog' });
  });

  it('gives the lines of a batch the format that is named, unless they name one of their own', async () => {
    const stdin = lines(
      { prompt: 'a cat', seed: 1 },
      { prompt: 'a dog', seed: 2, output: at('dog.png') },
      { prompt: 'a cow', seed: 3, output: at('cow-{seed}') },
      { prompt: 'a cow', seed: 4, format: 'jpeg' },
    );
    const { code } = await generate(['--batch', '-', '--format', 'webp', '-o', at('{seed}')], { stdin });
    expect([code, readdirSync(folder).sort()]).toEqual([0, ['1.webp', '4.jpg', 'cow-3.webp', 'dog.png']]);
  });

  it('writes an image to standard output, and nothing after it', async () => {
    const { code, out } = await generate(['a cat', '--seed', '4', '-o', '-']);
    expect([code, out.slice(-8, -4)]).toEqual([0, 'IEND']);
    expect(await readReceipt(Buffer.from(out, 'latin1'))).toMatchObject({ seed: 4 });
  });

  it('refuses JSON beside an image on standard output before anything is drawn', async () => {
    const refused = await generate(['a cat', '-o', '-', '--json']);
    expect(refused.code).toBe(2);
    expect(refused.json().error).toMatchObject({ ...REFUSED, issues: [{ option: '--output', received: '-' }] });
    const stdin = lines({ prompt: 'a cat', output: at('cat.png') }, { prompt: 'a dog', output: '-' });
    const batch = await generate(['--batch', '-', '--json'], { stdin });
    expect([batch.code, batch.json().error]).toEqual([2, expect.objectContaining(REFUSED)]);
    expect(existsSync(at('cat.png'))).toBe(false);
    expect(Pipeline.loadWith).not.toHaveBeenCalled();
  });

  it.each([
    ['neither', []],
    ['both', ['a cat', '--batch', '-']],
  ])('wants either a prompt or a batch, not %s', async (received, argv) => {
    const { code, json } = await generate([...argv, '--json']);
    expect(code).toBe(2);
    expect(json().error).toMatchObject({ ...REFUSED, issues: [{ option: 'prompt', received }] });
  });

  it('says which file of a batch cannot be read', async () => {
    expect(await generate(['--batch', at('none.jsonl')])).toMatchObject({
      ...{ code: 1, out: '' },
      err: expect.stringContaining('none.jsonl'),
    });
  });
});
