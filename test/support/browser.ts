import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import type { Lack } from './skip-for.js';

const CHROMIUM = process.env.T2I_CHROMIUM ?? '/usr/bin/chromium';

export const noChromium: Lack = existsSync(CHROMIUM)
  ? null
  : `there is no Chromium at ${CHROMIUM}; install it (apt-get install chromium), or name another by T2I_CHROMIUM`;

/** Waits for what a page comes to, however busy the machine is; the test's own limit is far beyond. */
export const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 30_000, interval: 20 });

/** A Chromium without a window. */
export function launchChromium(): Promise<Browser> {
  // Its sandbox does not start for root, as in most containers.
  return chromium.launch({ executablePath: CHROMIUM, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
}

export interface WatchedPage {
  readonly page: Page;
  /** Errors, violations of its content security policy, and requests to other origins, as sentences. */
  readonly problems: string[];
  /** Every text that the page said and every image that it showed, by its alternative text, also what is gone by now. */
  seen(): Promise<string[]>;
  close(): Promise<void>;
}

/** Opens an address in a browser that knows nothing of it yet. */
export async function openPage(
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(`console: ${message.text()}`);
  });
  const { origin } = new URL(address);
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'blob:' && url.origin !== origin) problems.push(`request: ${url.href}`);
  });
  await page.addInitScript({ path: fileURLToPath(new URL('./watch-page.mjs', import.meta.url)) });
  await page.goto(address);
  return {
    page,
    problems,
    seen: () => page.evaluate<string[]>('seen'),
    close: () => context.close(),
  };
}
