import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { createServer, listen } from '../dist/server/index.js';

/** Draws with the page of `t2i serve` and the model that ships, and writes how it looks in light and dark: docs/images/page-*.png. */
const FOLDER = new URL('images/', import.meta.url);
const PROMPTS = [
  'two yellow tulips on a grassy meadow',
  'a cupcake',
  'a red mushroom',
  'a penguin',
  'a sunflower',
  'a red car',
  'a purple tulip',
  'a snowman under a night sky',
  'an owl on a pine tree',
  'a green apple and a red apple',
  'a fox in flat style',
  'a red apple on a blue background',
];

const server = await createServer();
const listening = await listen(server, { port: 0, adminPort: 0 });
const browser = await chromium.launch({
  executablePath: process.env.T2I_CHROMIUM ?? '/usr/bin/chromium',
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
await page.goto(listening.url);
await page.getByLabel('Seed', { exact: true }).fill('7');
for (const prompt of PROMPTS) {
  await page.getByLabel('Prompt', { exact: true }).fill(prompt);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: `${prompt}, seed 7` }).waitFor();
  await page.locator('#draw:enabled').waitFor();
}
// Without the words of how long the last one took, which are of this machine.
await page.locator('#history-images button').first().click();
await page.getByLabel('Prompt', { exact: true }).focus();
await mkdir(FOLDER, { recursive: true });
for (const colorScheme of ['light', 'dark']) {
  await page.emulateMedia({ colorScheme });
  const png = sharp(await page.screenshot()).png({ palette: true, quality: 90, effort: 10 });
  await png.toFile(new URL(`page-${colorScheme}.png`, FOLDER).pathname);
}
await browser.close();
await listening.close();
await server.close();
