import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { encodeImage } from '../../src/image/encode.js';
import { insertPngChunks, textChunk } from '../../src/image/png.js';
import { readReceipt } from '../../src/image/read-receipt.js';
import { eventually, launchChromium, noChromium, openPage, type WatchedPage } from '../support/browser.js';
import { fakeIo } from '../support/fake-io.js';
import { type PageServer, startPageServer } from '../support/page-server.js';
import { gradient } from '../support/receipts.js';
import { noPosix, skipFor } from '../support/skip-for.js';

/** More steps than a test can wait for: only a cancel ends it. */
const ENDLESS = { steps: 999, n: 10 };

let browser: Browser;
let server: PageServer;
let opened: WatchedPage[] = [];

beforeAll(async () => {
  if (noChromium === null) [browser, server] = await Promise.all([launchChromium(), startPageServer()]);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});
afterEach(async () => {
  const problems = opened.flatMap((each) => each.problems);
  await Promise.all(opened.map((each) => each.close()));
  opened = [];
  expect(problems).toEqual([]);
});

async function open(options: BrowserContextOptions = {}, { url }: Pick<PageServer, 'url'> = server) {
  const watched = await openPage(browser, url, options);
  opened.push(watched);
  return { ...watched, ...on(watched.page) };
}

/** The parts of the page, as people call them. */
function on(page: Page) {
  return {
    prompt: page.getByLabel('Prompt', { exact: true }),
    status: page.getByRole('status'),
    // An empty one is hidden, and no alert then.
    problem: page.locator('#problem[role=alert]'),
    large: page.locator('#images img'),
    history: page.locator('#history-images img'),
    async set(label: string, value: string | number) {
      await page.getByLabel(label, { exact: true }).fill(String(value));
    },
    /** Bytes of the file that "Save" would write. */
    async saved(): Promise<Uint8Array> {
      const download = page.waitForEvent('download');
      await page.getByRole('link', { name: 'Save' }).click();
      return readFileSync(await (await download).path());
    },
    async drop(name: string, type: string, bytes: Uint8Array) {
      const base64 = Buffer.from(bytes).toString('base64');
      await page.evaluate(`(() => {
        const bytes = Uint8Array.from(atob('${base64}'), (unit) => unit.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], '${name}', { type: '${type}' }));
        const drop = new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true });
        document.body.dispatchEvent(drop);
      })()`);
    },
  };
}

describe('the page', { ...skipFor(noChromium), timeout: 60_000 }, () => {
  it('draws what is typed, with steps and previews, and keeps it through a reload', async () => {
    const { page, prompt, status, large, history, seen, saved } = await open();
    await prompt.fill('a red apple');
    await prompt.press('Enter');
    await eventually(() => status.textContent()).toMatch(/^Drawn in [\d.]+ s/);
    expect(await seen()).toEqual(
      expect.arrayContaining(['Drawing', '30 of 30 steps', 'Preview of the image being drawn', 'a red apple']),
    );
    const receipt = await readReceipt(await saved());
    expect(receipt).toMatchObject({ prompt: 'a red apple', plan: { steps: 30, sampler: 'ddim' }, guidanceScale: 3 });
    await page.reload();
    await eventually(() => large.getAttribute('alt')).toBe('a red apple');
    expect(await history.count()).toBe(1);
    expect(await readReceipt(await saved())).toEqual(receipt);
  });

  it('draws several images with seeds that count up, and shows each that is chosen', async () => {
    const { page, prompt, status, set, large, history } = await open();
    await set('Seed', 7);
    await set('Images', 3);
    await prompt.fill('two dogs');
    await page.getByRole('button', { name: 'Draw' }).click();
    await eventually(() => status.textContent()).toMatch(/^3 images drawn/);
    expect(await large.count()).toBe(3);
    expect(await history.evaluateAll((all) => all.map((each) => each.getAttribute('alt')))).toEqual(
      [9, 8, 7].map((seed) => `two dogs, seed ${seed}`),
    );
    await page.getByRole('button', { name: 'two dogs, seed 8' }).click();
    expect(await large.count()).toBe(1);
    expect(await page.locator('#facts').textContent()).toContain('seed 8');
  });

  it('tells its place in the queue, and leaves it when it is cancelled', async () => {
    const first = await open();
    await first.set('Steps', ENDLESS.steps);
    await first.set('Images', ENDLESS.n);
    await first.prompt.fill('first');
    await first.prompt.press('Enter');
    await eventually(() => first.status.textContent()).toBe('Drawing');
    const second = await open();
    await second.prompt.fill('second');
    await second.prompt.press('Enter');
    await eventually(() => second.status.textContent()).toMatch(/^Next in the queue/);
    expect(server.queue.length).toBe(1);
    await second.page.getByRole('button', { name: 'Cancel' }).click();
    expect(await second.status.textContent()).toBe('Cancelled');
    await eventually(() => server.queue.length).toBe(0);
    expect(server.queue.running).toBe(1);
    await first.page.keyboard.press('Escape');
    await eventually(() => server.queue.running).toBe(0);
    expect(await first.history.count()).toBe(0);
    await second.prompt.press('Enter');
    await eventually(() => second.status.textContent()).toMatch(/^Drawn/);
  });

  it('loads the settings of an image that is dropped: of our receipt, and of what other programs write', async () => {
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
    await drop('cat.png', 'image/png', theirs);
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
        word.replace('--model=tiny', `--model=${server.model}`).replace('=image.png', `=${join(folder, 'cli.png')}`);
      expect(await main(argv.map(place), fakeIo({}))).toBe(0);
      expect((await readReceipt(join(folder, 'cli.png'))).rgbSha256).toBe(rgbSha256);
      expect(await codeOf('TypeScript')).toContain("import { Pipeline } from '@t2i/sdk';");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('draws while one types, under the fast preset alone, and keeps only what is asked for', async () => {
    const { page, prompt, large, history, status, seen } = await open();
    await prompt.pressSequentially('a red');
    await page.getByRole('radio', { name: 'Fast' }).check();
    expect(await page.getByLabel('Steps', { exact: true }).inputValue()).toBe('2');
    await prompt.pressSequentially(' apple');
    await eventually(() => large.getAttribute('alt')).toBe('a red apple');
    expect(await seen()).not.toContain('Preview of the image being drawn');
    expect(await history.count()).toBe(0);
    await prompt.press('Enter');
    await eventually(() => status.textContent()).toMatch(/^Drawn/);
    expect(await history.count()).toBe(1);
    await page.getByLabel('Draw while I type').uncheck();
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    await prompt.fill('a cat');
    await page.getByLabel('Draw while I type').check();
    await eventually(() => large.getAttribute('alt')).toBe('a cat');
    expect(requests.filter((url) => url.endsWith('/v1/jobs'))).toHaveLength(1);
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

  it('loses nothing of what was typed when a request fails, and says why', async () => {
    const { page, prompt, problem, set, status, problems } = await open();
    await prompt.fill('a red apple');
    await page.route('**/v1/jobs', (route) => route.abort());
    await prompt.press('Enter');
    await eventually(() => problem.textContent()).toMatch(/^The server does not answer/);
    await page.unroute('**/v1/jobs');
    const refusal = { error: { message: 'The queue is full' } };
    await page.route('**/v1/jobs', (route) => route.fulfill({ status: 429, json: refusal }));
    await prompt.press('Enter');
    await eventually(() => problem.textContent()).toBe('The queue is full');
    await page.unroute('**/v1/jobs');
    expect(await prompt.inputValue()).toBe('a red apple');
    await set('Steps', 0);
    await page.getByText('Settings', { exact: true }).click();
    await prompt.press('Enter');
    await eventually(() => page.getByLabel('Steps', { exact: true }).isVisible()).toBe(true);
    expect(server.queue.running).toBe(0);
    await set('Steps', 2);
    await prompt.press('Enter');
    await eventually(() => status.textContent()).toMatch(/^Drawn/);
    expect(await problem.textContent()).toBe('');
    expect(problems.splice(0)).toHaveLength(2);
  });

  it('asks for the key of a server that wants one, keeps it in the tab, and never shows it', async () => {
    const key = 'a-key-that-is-long-enough';
    const closed = await startPageServer({ apiKeys: [key] });
    try {
      const { page, prompt, status, problems } = await open({}, closed);
      const field = page.getByLabel('API key');
      await field.fill('wrong-key-wrong-key');
      await page.keyboard.press('Escape');
      await field.press('Enter');
      await page.getByText('That key was not let in').waitFor();
      await field.fill(key);
      await field.press('Enter');
      await prompt.fill('a red apple');
      await prompt.press('Enter');
      await eventually(() => status.textContent()).toMatch(/^Drawn/);
      await page.getByText('The same from code').click();
      expect(await page.locator('#snippet').textContent()).toContain('Authorization: Bearer $T2I_API_KEY');
      expect(await page.content()).not.toContain(key);
      expect(await page.evaluate('JSON.stringify(localStorage) + document.cookie + location.href')).not.toContain(key);
      await page.reload();
      await eventually(() => page.locator('#draw').isEnabled()).toBe(true);
      const other = await page.context().newPage();
      await other.goto(closed.url);
      await other.getByLabel('API key').waitFor();
      // What the browser itself says of each 401.
      expect(problems.splice(0).every((problem) => problem.includes('401'))).toBe(true);
    } finally {
      await closed.close();
    }
  });
});
