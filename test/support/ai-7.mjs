/** Has the AI SDK 7 draw with the built provider, in this process and on a server, as JSON on standard input says. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { generateImage } from 'ai-7';
import { createT2I } from '../../dist/ai/index.js';
import { decodeImage } from '../../dist/image/decode.js';

const { baseURL, MODEL, KEY, REQUEST, load } = JSON.parse(readFileSync(0, 'utf8'));
const logged = [];
for (const level of ['log', 'info', 'warn', 'error']) console[level] = (...words) => logged.push(words.join(' '));

const results = [];
const local = createT2I({ load });
for (const model of [local.image(MODEL), createT2I({ baseURL, apiKey: KEY }).image('tiny')]) {
  const { images, warnings, providerMetadata } = await generateImage({ ...REQUEST, model });
  const pixels = await Promise.all(
    images.map(async ({ uint8Array }) =>
      createHash('sha256')
        .update((await decodeImage(uint8Array)).rgb)
        .digest('hex'),
    ),
  );
  const seeds = providerMetadata.t2i.images.map(({ seed }) => seed);
  results.push({ pixels, warnings, seeds, logged: logged.splice(0) });
}
await local.close();
process.stdout.write(JSON.stringify(results));
