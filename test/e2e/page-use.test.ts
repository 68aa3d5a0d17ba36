import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { encodeImage } from '../../src/image/encode.js';
import { insertPngChunks, textChunk } from '../../src/image/png.js';
import { readReceipt } from '../../src/image/read-receipt.js';
import { eventually, noChromium } from '../support/browser.js';
import { ENDLESS, usePages } from '../support/drawing-page.js';
import { fakeIo } from '../support/fake-io.js';
import { gradient } from '../support/receipts.js';
import { noPosix, skipFor } from '../support/skip-for.js';

describe('the page, in use', { ...skipFor(noChromium), timeout: 60_000 }, () => {
  const { open, server } = usePages();

  it('loads the settings of an image that is dropped or chosen: of our receipt, and of what other programs write', async () => {
    const { prompt, status, set, saved, drop, page } = await open();
    await set('Steps', 7);
    await set('Seed', 42);
    await set('Negative prompt', 'grey');
    await prompt.fill('a fox');
    await prompt.press('Enter');
    await eventually(() => status.textContent()).toMatch(/^Drawn/);
    const ours = await saved();
    await page.getByRole('button', { name: "Back to the model's defaults" }).click();
    await prompt.fill('');
    await drop('fox.png', 'image/png', ours);
    await eventually(() => prompt.inputValue()).toBe('a fox');
    const fieldValue = (label: string) => page.getByLabel(label, { exact: true }).inputValue();
    expect(await Promise.all(['Steps', 'Seed', 'Negative prompt', 'Sampler'].map(fieldValue))).toEqual([
      '7',
      '42',
      'grey',
      'ddim',
    ]);
    const text = 'a cat\nSteps: 9, Sampler: Euler a, CFG scale: 4.5, Seed: 1, Size: 512x512, Model: other';
    const theirs = insertPngChunks(await encodeImage(gradient(), null), [textChunk('parameters', text)]);
    const file = { name: 'cat.png', mimeType: 'image/png', buffer: Buffer.from(theirs) };
    await page.locator('#image-file').setInputFiles(file);
    await eventually(() => prompt.inputValue()).toBe('a cat');
    expect(await Promise.all(['Steps', 'Guidance', 'Sampler', 'Seed', 'Negative prompt'].map(fieldValue))).toEqual([
      '9',
      '4.5',
      'euler-a',
      '1',
      '',
    ]);
    expect(await status.textContent()).toContain('It was drawn by other, which is not here.');
    await drop('plain.png', 'image/png', await encodeImage(gradient(), null));
    await eventually(() => status.textContent()).toBe('plain.png carries no settings.');
    expect(await prompt.inputValue()).toBe('a cat');
  });

  it('copies code that makes the same image: by curl and by the command line', skipFor(noPosix), async () => {
    const { page, prompt, status, saved } = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
    await prompt.fill('it\'s a "red" apple');
    await prompt.press('Enter');
    await eventually(() => status.textContent()).toMatch(/^Drawn/);
    const { rgbSha256 } = await readReceipt(await saved());
    await page.getByText('The same from code').click();
    const folder = mkdtempSync(join(tmpdir(), 't2i-code-'));
    const codeOf = async (kind: string) => {
      await page.getByRole('radio', { name: kind }).check();
      await page.getByRole('button', { name: 'Copy' }).click();
      await eventually(() => page.locator('#copy').textContent()).toBe('Copied');
      return page.evaluate<string>('navigator.clipboard.readText()');
    };
    try {
      const shell = async (code: string) => (await promisify(execFile)('sh', ['-c', code], { cwd: folder })).stdout;
      await shell(await codeOf('curl'));
      expect((await readReceipt(join(folder, 'image.png'))).rgbSha256).toBe(rgbSha256);
      const words = await shell(`npx() { printf '%s\\0' "$@"; }; ${await codeOf('CLI')}`);
      const [, ...argv] = words.split('\0').slice(0, -1);
      const place = (word: string) =>
        word.replace('--model=tiny', `--model=${server().model}`).replace('=image.png', `=${join(folder, 'cli.png')}`);
      expect(await main(argv.map(place), fakeIo({}))).toBe(0);
      expect((await readReceipt(join(folder, 'cli.png'))).rgbSha256).toBe(rgbSha256);
      expect(await codeOf('TypeScript')).toContain("import { Pipeline } from '@t2i/sdk';");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('draws while one types, under the fast preset alone, and keeps only what is asked for', async () => {
    const { page, prompt, large, history, status, seen } = await open();
    await page.clock.install();
    const pause = () => page.clock.fastForward(10_000);
    const asked: string[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/v1/jobs/stream')) asked.push(request.postDataJSON().prompt);
    });
    await prompt.fill('a red');
    await pause();
    await page.getByRole('radio', { name: 'Fast' }).check();
    expect(await page.getByLabel('Steps', { exact: true }).inputValue()).toBe('2');
    await pause();
    await eventually(() => large.getAttribute('alt')).toBe('a red');
    await prompt.fill('a red app');
    await prompt.fill('a red apple');
    await pause();
    await eventually(() => large.getAttribute('alt')).toBe('a red apple');
    expect(asked).toEqual(['a red', 'a red apple']);
    expect(await seen()).not.toContain('Preview of the image being drawn');
    expect(await history.count()).toBe(0);
    await prompt.press('Enter');
    await eventually(() => status.textContent()).toMatch(/^Drawn/);
    expect(await history.count()).toBe(1);
    await page.getByLabel('Draw while I type').uncheck();
    await prompt.fill('a cat');
    await pause();
    await page.getByLabel('Draw while I type').check();
    await pause();
    await eventually(() => large.getAttribute('alt')).toBe('a cat');
    expect(asked).toEqual(['a red', 'a red apple', 'a red apple', 'a cat']);
  });

  it('ends a sketch when more is typed', async () => {
    const { page, prompt, large, set } = await open();
    await page.clock.install();
    // What the pages before have left is cancelled a moment after they are closed.
    await eventually(() => server().queue.running + server().queue.length).toBe(0);
    const cancelled = await server().cancelled();
    // A server that is busy, so that the sketches wait.
    const busy = await open();
    await busy.set('Steps', ENDLESS.steps);
    await busy.set('Images', ENDLESS.n);
    await busy.prompt.fill('busy');
    await busy.prompt.press('Enter');
    await eventually(() => busy.status.textContent()).toBe('Drawing');
    await page.getByRole('radio', { name: 'Fast' }).check();
    await set('Seed', 7);
    for (const [index, text] of ['a', 'a red', 'a red apple'].entries()) {
      await prompt.fill(text);
      await page.clock.fastForward(10_000);
      await eventually(() => server().queue.length).toBe(1);
      await eventually(() => server().cancelled()).toBe(cancelled + index);
    }
    expect(await large.count()).toBe(0);
    await busy.page.keyboard.press('Escape');
    await eventually(() => server().queue.running).toBe(0);
  });

  it('can be used by the keyboard alone', async () => {
    const { page, prompt, status, history, large } = await open();
    const { keyboard } = page;
    const focused = () =>
      page.evaluate<string>('document.activeElement.id || document.activeElement.textContent.trim()');
    const tabTo = async (id: string, key = 'Tab') => {
      for (let presses = 0; (await focused()) !== id; presses++) {
        expect(presses, `Tab never reaches ${id}`).toBeLessThan(60);
        await keyboard.press(key);
      }
    };
    await eventually(focused).toBe('prompt');
    for (const word of ['one', 'two']) {
      await keyboard.press('ControlOrMeta+a');
      await keyboard.type(word);
      await keyboard.press('Enter');
      await eventually(() => history.count()).toBe(word === 'one' ? 1 : 2);
      await eventually(() => status.textContent()).toMatch(/^Drawn/);
    }
    await tabTo('draw');
    await page.getByLabel('Steps', { exact: true }).fill(String(ENDLESS.steps));
    await page.getByLabel('Images', { exact: true }).fill(String(ENDLESS.n));
    await tabTo('draw', 'Shift+Tab');
    await keyboard.press('Enter');
    await eventually(focused).toBe('cancel');
    await keyboard.press('Enter');
    await eventually(() => status.textContent()).toBe('Cancelled');
    expect(await focused()).toBe('draw');
    await tabTo('reuse');
    await tabTo('clear');
    await keyboard.press('Tab');
    await keyboard.press('ArrowRight');
    await keyboard.press('Space');
    expect(await large.getAttribute('alt')).toBe('one');
    await keyboard.press('Delete');
    await eventually(() => history.count()).toBe(1);
    expect(await large.count()).toBe(0);
    await tabTo('clear', 'Shift+Tab');
    await keyboard.press('Enter');
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    await eventually(() => history.count()).toBe(0);
    await page.reload();
    await prompt.waitFor();
    expect(await history.count()).toBe(0);
  });
});
