import { describe, expect, it } from 'vitest';
import { readReceipt } from '../../src/image/read-receipt.js';
import { eventually, noChromium } from '../support/browser.js';
import { ENDLESS, usePages } from '../support/drawing-page.js';
import { holdAnswers } from '../support/holding-proxy.js';
import { startPageServer } from '../support/page-server.js';
import { skipFor } from '../support/skip-for.js';

describe('the page', { ...skipFor(noChromium), timeout: 60_000 }, () => {
  const { open, server } = usePages();

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
    expect(await page.getByLabel('Seed', { exact: true }).inputValue()).toBe('7');
    expect(await history.evaluateAll((all) => all.map((each) => each.getAttribute('alt')))).toEqual(
      [9, 8, 7].map((seed) => `two dogs, seed ${seed}`),
    );
    await page.getByRole('button', { name: 'two dogs, seed 8' }).click();
    expect(await large.count()).toBe(1);
    expect(await page.locator('#facts').textContent()).toContain('seed 8');
    await page.getByRole('button', { name: 'Use its settings' }).click();
    await set('Images', 2);
    await prompt.press('Enter');
    await eventually(() => status.textContent()).toMatch(/^2 images drawn/);
    await page.getByRole('button', { name: 'two dogs', exact: true }).nth(1).click();
    expect(await large.count()).toBe(1);
    expect(await page.locator('#facts').textContent()).toContain('seed 9');
  });

  it('tells its place in the queue, and leaves it when it is cancelled', async () => {
    const before = await server().cancelled();
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
    expect(server().queue.length).toBe(1);
    await second.page.getByRole('button', { name: 'Cancel' }).click();
    expect(await second.status.textContent()).toBe('Cancelled');
    await eventually(() => server().queue.length).toBe(0);
    expect(server().queue.running).toBe(1);
    await first.page.keyboard.press('Escape');
    await eventually(() => server().queue.running).toBe(0);
    expect(await server().cancelled()).toBe(before + 2);
    expect(await first.history.count()).toBe(0);
    await second.prompt.press('Enter');
    await eventually(() => second.status.textContent()).toMatch(/^Drawn/);
  });

  it('leaves the queue when it is left', async () => {
    const { page, prompt, status, set } = await open();
    await set('Steps', ENDLESS.steps);
    await set('Images', ENDLESS.n);
    await prompt.fill('a red apple');
    await prompt.press('Enter');
    await eventually(() => status.textContent()).toBe('Drawing');
    const before = await server().cancelled();
    await page.reload();
    await eventually(() => server().cancelled()).toBe(before + 1);
  });

  it('leaves the queue when it is left before it heard of its job', async () => {
    const proxy = await holdAnswers(server().url, 'POST /v1/jobs');
    const { page, prompt, set } = await open({}, proxy.url);
    await set('Steps', ENDLESS.steps);
    await set('Images', ENDLESS.n);
    await prompt.fill('a red apple');
    await prompt.press('Enter');
    await eventually(() => server().queue.running).toBe(1);
    const before = await server().cancelled();
    await page.reload();
    await eventually(() => server().cancelled()).toBe(before + 1);
    proxy.close();
  });

  it('loses nothing of what was typed when a request fails, and says why', async () => {
    const { page, prompt, problem, set, status, problems } = await open();
    await prompt.fill('a red apple');
    await page.route('**/v1/jobs/stream', (route) => route.abort());
    await prompt.press('Enter');
    await eventually(() => problem.textContent()).toMatch(/^The server does not answer/);
    await page.unroute('**/v1/jobs/stream');
    const refusal = { error: { message: 'The queue is full' } };
    await page.route('**/v1/jobs/stream', (route) => route.fulfill({ status: 429, json: refusal }));
    await prompt.press('Enter');
    await eventually(() => problem.textContent()).toBe('The queue is full');
    await page.unroute('**/v1/jobs/stream');
    expect(await prompt.inputValue()).toBe('a red apple');
    await set('Steps', 0);
    await page.getByText('Settings', { exact: true }).click();
    await prompt.press('Enter');
    await eventually(() => page.getByLabel('Steps', { exact: true }).isVisible()).toBe(true);
    expect(server().queue.running).toBe(0);
    await set('Steps', 2);
    await prompt.press('Enter');
    await eventually(() => status.textContent()).toMatch(/^Drawn/);
    expect(await problem.textContent()).toBe('');
    // Chromium writes down each request that failed.
    expect(problems.splice(0).filter((said) => !said.includes('Failed to load resource'))).toEqual([]);
  });

  it('keeps what was drawn until it is left, where the browser stores nothing', async () => {
    const { page, prompt, status, set, history } = await open();
    // All three are done at the same time.
    await page.addInitScript('Date.now = () => 7');
    await page.addInitScript("indexedDB.open = () => { throw new DOMException('not here', 'SecurityError'); }");
    await page.reload();
    await set('Images', 3);
    await prompt.fill('two dogs');
    await prompt.press('Enter');
    await eventually(() => status.textContent()).toMatch(/^3 images drawn/);
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await eventually(() => history.count()).toBe(2);
    await page.reload();
    await prompt.fill('a dog');
    expect(await history.count()).toBe(0);
  });

  it('takes nothing that would be lost before it has started', async () => {
    const { page, prompt, status } = await open();
    await page.addInitScript(`
      const open = indexedDB.open.bind(indexedDB);
      let release;
      globalThis.released = new Promise((resolve) => { release = resolve; });
      globalThis.release = release;
      indexedDB.open = (...names) => {
        const held = {};
        globalThis.released.then(() => {
          const request = open(...names);
          request.onupgradeneeded = () => { held.result = request.result; held.onupgradeneeded?.(); };
          request.onerror = () => held.onerror?.();
          request.onsuccess = () => { held.result = request.result; held.onsuccess?.(); };
        });
        globalThis.isHeld = true;
        return held;
      };
    `);
    await page.reload();
    await eventually(() => page.evaluate('globalThis.isHeld')).toBe(true);
    expect(await prompt.isEnabled()).toBe(false);
    await page.evaluate('release()');
    await prompt.fill('a red apple');
    await prompt.press('Enter');
    await eventually(() => status.textContent()).toMatch(/^Drawn/);
  });

  it('offers what the model takes that is chosen', async () => {
    const several = await startPageServer({}, ['tiny-lcm']);
    try {
      const { page, prompt, status, saved } = await open({}, several.url);
      const field = (label: string) => page.getByLabel(label, { exact: true });
      await prompt.fill('a red apple');
      expect(await field('Sampler').inputValue()).toBe('ddim');
      expect(await field('Fresh noise (eta)').isVisible()).toBe(true);
      await field('Sampler').selectOption('dpmpp-2m');
      expect(await field('Fresh noise (eta)').isVisible()).toBe(false);
      await field('Step spacing').selectOption('karras');
      await prompt.press('Enter');
      await eventually(() => status.textContent()).toMatch(/^Drawn/);
      expect(await readReceipt(await saved())).toMatchObject({ plan: { sampler: 'dpmpp-2m', sigmas: 'karras' } });
      await field('Sampler').selectOption('ddim');
      await prompt.press('Enter');
      await eventually(() => page.locator('#facts').textContent()).toContain('ddim');
      expect(await readReceipt(await saved())).toMatchObject({ plan: { sampler: 'ddim', sigmas: null } });
      await field('Model').selectOption('tiny-lcm');
      expect(await field('Sampler').inputValue()).toBe('lcm');
      expect(await field('Step spacing').isVisible()).toBe(false);
      expect(await page.getByRole('radio', { name: 'Fast' }).isVisible()).toBe(false);
      await prompt.press('Enter');
      await eventually(() => page.locator('#facts').textContent()).toContain('tiny-lcm');
      expect(await readReceipt(await saved())).toMatchObject({ plan: { sampler: 'lcm', sigmas: null } });
    } finally {
      await several.close();
    }
  });

  it('asks for the key of a server that wants one, keeps it in the tab, and never shows it', async () => {
    const key = 'a-key-that-is-long-enough';
    const closed = await startPageServer({ apiKeys: [key] });
    try {
      const { page, prompt, status, problems } = await open({}, closed.url);
      const field = page.getByLabel('API key');
      await field.fill('wrong-key-wrong-key');
      await page.keyboard.press('Escape');
      expect(await field.inputValue()).toBe('wrong-key-wrong-key');
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
