import { cp, mkdtemp, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ModelDescription } from '../../../src/model/description.js';
import { describeModel } from '../../../src/model/layout.js';
import { checkUnchanged } from '../../../src/model/unchanged.js';

const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));
const WEIGHTS = 'unet/model.weights';
let model: ModelDescription;
let weights: string;

beforeEach(async () => {
  const dir = await mkdtemp(join(tmpdir(), 't2i-unchanged-'));
  await cp(TINY, dir, { recursive: true });
  model = await describeModel(dir);
  weights = join(dir, WEIGHTS);
});
afterEach(() => rm(model.dir, { recursive: true }));

/** The weights with one byte changed. */
async function changed(): Promise<Buffer> {
  const bytes = await readFile(weights);
  bytes[100] = (bytes[100] as number) ^ 1;
  return bytes;
}

it('accepts files that were not touched, touched without a change, or replaced by a copy', async () => {
  await checkUnchanged(model);
  await utimes(weights, new Date(0), new Date(0));
  await checkUnchanged(model);
  await writeFile(`${weights}.new`, await readFile(weights));
  await rename(`${weights}.new`, weights);
  await checkUnchanged(model);
});

it('refuses other content of the same size, written in place or moved there, by the name of the file', async () => {
  await writeFile(weights, await changed());
  await expect(checkUnchanged(model)).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    message: `The model changed on the disk since it was loaded: ${WEIGHTS} has another SHA-256`,
    hint: expect.stringContaining('load the model again'),
  });
});

it('refuses other content of the same size whose times were set back', async () => {
  const { atime, mtime } = await stat(weights);
  // A time that the file system keeps as it is.
  await utimes(weights, atime, mtime);
  model = await describeModel(model.dir);
  await writeFile(weights, await changed());
  await utimes(weights, atime, mtime);
  await expect(checkUnchanged(model)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
});

it('names every file that is gone or has another size', async () => {
  await rm(weights);
  await writeFile(join(model.dir, 'tokenizer/merges.txt'), 'short');
  await expect(checkUnchanged(model)).rejects.toMatchObject({
    message: expect.stringMatching(/tokenizer\/merges\.txt has 5 bytes, and had \d+; unet\/model\.weights is gone$/),
  });
});
