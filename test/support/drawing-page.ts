import { readFileSync } from 'node:fs';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { launchChromium, noChromium, openPage, type WatchedPage } from './browser.js';
import { type PageServer, startPageServer } from './page-server.js';

/** More than a test can wait for: only a cancel ends it. */
export const ENDLESS = { steps: 999, n: 10 };

/**
 * A server and a browser for the tests of a file. Each page is opened in a browser that knows nothing of it, and no test may leave an
 * error, a violation of the page's policy or a request to elsewhere behind.
 */
export function usePages() {
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

  return {
    server: () => server,
    /** @param options of the browser @param address of another server than the file's */
    async open(options: BrowserContextOptions = {}, address = server.url) {
      const watched = await openPage(browser, address, options);
      opened.push(watched);
      return { ...watched, ...on(watched.page) };
    },
  };
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
