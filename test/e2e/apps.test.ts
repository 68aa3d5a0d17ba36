import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page, Request } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { eventually, launchChromium, noChromium } from '../support/browser.js';
import { freePort } from '../support/free-port.js';
import { codeBlocks } from '../support/markdown.js';
import { pythonOf } from '../support/python.js';
import { startServe } from '../support/serve-process.js';
import { skipFor } from '../support/skip-for.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(new URL('../../docs/serving.md', import.meta.url), 'utf8');
const { python, lack } = pythonOf('test/clients/requirements.lock');

/** The command of the page that starts an app, as it is called here; elsewhere than beside the app, as its users do. */
function startApp(name: string, flag: string, port: number, url: string): ChildProcess {
  const lines = codeBlocks(PAGE, 'sh').flatMap((block) => block.split('\n'));
  const [line = ''] = lines.filter((each) => each.includes(name));
  const command = line
    .replace(/#.*/, '')
    .replace('apps-env/bin/', `${dirname(python)}/`)
    .replace('node_modules/@t2i/sdk/', ROOT);
  const env = { ...process.env, T2I_URL: url, STREAMLIT_SERVER_HEADLESS: 'true', PYTHONUNBUFFERED: '1' };
  const child = spawn(`exec ${command} ${flag} ${port}`, { shell: true, cwd: tmpdir(), env });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

describe.each([
  ['streamlit_app.py', '--server.port', '[data-testid=stImage] img'],
  ['gradio_app.py', '--port', '.grid-container img'],
])('apps/%s in a browser', { ...skipFor(lack, noChromium), timeout: 180_000 }, (name, flag, image) => {
  let browser: Browser;

  beforeAll(async () => {
    if (noChromium === null) browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  it('draws with previews; who cancels, leaves or closes the page ends what is drawn for it', async () => {
    const { url, adminUrl } = await startServe();
    const port = await freePort();
    const app = startApp(name, flag, port, url);
    let said = '';
    // Its frameworks take long to load, on a busy machine above all.
    await new Promise<void>((resolve) => {
      for (const stream of [app.stdout, app.stderr]) {
        stream?.on('data', (chunk) => {
          said += chunk;
          if (new RegExp(`http://\\S+:${port}`).test(said)) resolve();
        });
      }
      void once(app, 'exit').then(() => resolve());
    });
    expect(said).toContain(`http://127.0.0.1:${port}`);
    expect(said).not.toMatch(/https?:\/\/(?!127\.0\.0\.1)/);

    const { page, elsewhere, streams } = await open(browser, `http://127.0.0.1:${port}`);
    const cancelled = async () => {
      const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
      return Number(/^t2i_aborts_total\{state="generating"\} (\d+)/m.exec(metrics)?.[1] ?? 0);
    };
    const field = (label: string) => page.getByLabel(label, { exact: true });
    const draw = () => page.getByRole('button', { name: 'Draw' }).click();
    const set = async (label: string, value: number) => {
      await field(label).fill(String(value));
      await field(label).press('Tab');
    };
    await field('Prompt').fill('a red apple');
    await draw();
    await eventually(() => text(page)).toMatch(/Drawn in [\d.]+ s/);
    await eventually(() => text(page)).toContain('runs on onnxruntime');
    await eventually(() => page.locator(image).count()).toBe(1);

    // Only a cancel ends these.
    for (const [label, value] of [['Steps', 200] as const, ['Images', 10] as const]) await set(label, value);
    for (const side of ['Width', 'Height']) await set(side, 512);
    await draw();
    await eventually(() => text(page)).toMatch(/Drawing: \d+ of 2000 steps/);
    await eventually(() => page.locator(image).count()).toBe(1);
    expect(await cancelled()).toBe(0);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await eventually(cancelled).toBe(1);
    await eventually(() => text(page)).toContain('Cancelled');
    // Gradio draws anew once its stream of this drawing has ended, a moment after it told so.
    await eventually(() => streams.size).toBe(0);

    await draw();
    await eventually(() => text(page)).toMatch(/Drawing: \d+ of 2000 steps/);
    await page.close();
    await eventually(cancelled).toBe(2);
    expect(elsewhere).toEqual([]);
  });
});

/** A page, the addresses elsewhere that it asked, and its streams of events that are open. */
async function open(browser: Browser, address: string) {
  const page = await browser.newPage();
  const elsewhere: string[] = [];
  const streams = new Set<Request>();
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (/^https?:$/.test(protocol) && hostname !== '127.0.0.1') elsewhere.push(request.url());
    if (request.headers().accept === 'text/event-stream') streams.add(request);
  });
  page.on('requestfinished', (request) => streams.delete(request));
  page.on('requestfailed', (request) => streams.delete(request));
  await page.goto(address);
  return { page, elsewhere, streams };
}

/** All that a page says, its fields among it. */
async function text(page: Page): Promise<string> {
  const fields = await page.locator('textarea, input').evaluateAll((all) => all.map((each) => each.value));
  return [await page.locator('body').textContent(), ...fields].join('\n');
}
