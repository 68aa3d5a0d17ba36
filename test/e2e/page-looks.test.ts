import axe from 'axe-core';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, launchChromium, noChromium, openPage } from '../support/browser.js';
import { type PageServer, startPageServer } from '../support/page-server.js';
import { skipFor } from '../support/skip-for.js';

let browser: Browser;
let server: PageServer;
beforeAll(async () => {
  if (noChromium === null) [browser, server] = await Promise.all([launchChromium(), startPageServer()]);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

type Watched = Awaited<ReturnType<typeof openPage>>;

/** What axe finds that is serious or critical, as sentences. */
async function barriers({ page }: Pick<Watched, 'page'>): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate<string[]>(`axe.run().then(({ violations }) =>
    violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ': ' + html + ' ' + failureSummary)))`);
}

async function draw({ page }: Watched): Promise<void> {
  await page.getByLabel('Prompt', { exact: true }).fill('a red apple');
  await page.keyboard.press('Enter');
  await eventually(() => page.getByRole('status').textContent()).toMatch(/^Drawn/);
}

describe('the page, for everybody', { ...skipFor(noChromium), timeout: 60_000 }, () => {
  it.each(['light', 'dark'] as const)('has no barriers that axe can see, in %s', async (colorScheme) => {
    const watched = await openPage(browser, server.url, { colorScheme });
    const { page } = watched;
    await page.locator('#draw:enabled').waitFor();
    expect(await barriers(watched)).toEqual([]);
    await draw(watched);
    await page.getByRole('radio', { name: 'Fast' }).check();
    await page.getByText('The same from code').click();
    expect(await barriers(watched)).toEqual([]);
    await page.getByRole('button', { name: 'Delete all' }).click();
    expect(await barriers(watched)).toEqual([]);
    await watched.close();
  });

  it('would be told of barriers', async () => {
    const watched = await openPage(browser, server.url);
    await watched.page.locator('#draw:enabled').waitFor();
    await watched.page.evaluate(`document.querySelector('label[for=prompt]').remove();
      document.getElementById('prompt').placeholder = '';
      document.getElementById('where').style.color = '#cccccc';`);
    const found = (await barriers(watched)).map((sentence) => sentence.split(':')[0]);
    expect(found).toEqual(expect.arrayContaining(['color-contrast', 'label']));
    await watched.close();
  });

  it('would be told of what the policy blocks', async () => {
    const watched = await openPage(browser, server.url);
    await watched.page.evaluate(`(async () => {
      document.body.setAttribute('style', 'color: red');
      try { document.body.innerHTML = '<p>'; } catch {}
      await fetch('http://127.0.0.1:9/').catch(() => {});
    })()`);
    for (const what of ['style-src', 'require-trusted-types-for', 'connect-src']) {
      await eventually(() => watched.problems.join('\n')).toContain(`blocked by ${what}`);
    }
    await watched.close();
  });

  it('would be told of requests to elsewhere', async () => {
    const watched = await openPage(browser, server.url, { bypassCSP: true });
    await watched.page.evaluate("fetch('http://127.0.0.1:9/').catch(() => {})");
    await eventually(() => watched.problems).toContain('request: http://127.0.0.1:9/');
    await watched.close();
  });

  it.each([360, 390, 768])('fits into %i pixels', async (width) => {
    const watched = await openPage(browser, server.url, { viewport: { width, height: 740 } });
    const { page } = watched;
    await page.locator('#draw:enabled').waitFor();
    await draw(watched);
    await page.locator('details').evaluateAll((all) => {
      for (const each of all) each.setAttribute('open', '');
    });
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(width);
    // Large enough for a finger (WCAG 2.2, 2.5.8).
    const small = await page
      .locator('button:visible, select:visible, input:not([type=radio]):not([type=file]):visible, summary:visible')
      .evaluateAll((all) =>
        all.filter((each) => each.getBoundingClientRect().height < 24).map((each) => each.outerHTML),
      );
    expect(small).toEqual([]);
    await watched.close();
  });

  it('keeps the theme that was chosen', async () => {
    const watched = await openPage(browser, server.url, { colorScheme: 'light' });
    const { page } = watched;
    const background = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const theme = page.getByRole('button', { name: /^Theme/ });
    const light = await background();
    await theme.click();
    expect(await background()).toBe(light);
    await theme.click();
    const dark = await background();
    expect(dark).not.toBe(light);
    await page.reload();
    await theme.waitFor();
    expect([await theme.textContent(), await background()]).toEqual(['Theme: dark', dark]);
    await page.emulateMedia({ colorScheme: 'dark' });
    await theme.click();
    expect([await theme.textContent(), await background()]).toEqual(['Theme: system', dark]);
    await watched.close();
  });
});
