import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Raster } from '../../../src/backends/backend.js';
import { PreviewFile, processOfPreview } from '../../../src/cli/generate/preview-file.js';
import { processTag } from '../../../src/process-tag.js';
import { openFilesIn } from '../../support/open-files.js';

const RASTER: Raster = { width: 8, height: 8, rgb: new Uint8Array(192) };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-preview-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Once a preview is there, as a viewer would find it. */
async function shown(preview: PreviewFile): Promise<void> {
  while (!existsSync(preview.path)) await new Promise(setImmediate);
}

describe('the preview of an image', () => {
  it('lies beside it and names its process', async () => {
    const preview = new PreviewFile(join(folder, 'apple.png'));
    preview.show(RASTER);
    await shown(preview);
    expect(readdirSync(folder)).toEqual(['apple.png.preview.png']);
    expect(await processOfPreview(preview.path)).toBe(processTag());
    await preview.remove();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is waited for where it is still being written, and does not come back once it was removed', async () => {
    const preview = new PreviewFile(join(folder, 'apple.png'));
    // Those after the first are left out: one is written at a time.
    for (let count = 0; count < 3; count++) preview.show(RASTER);
    await preview.remove();
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('follows the image', async () => {
    const preview = new PreviewFile(join(folder, 'apple.png'));
    preview.show(RASTER);
    await shown(preview);
    const first = readFileSync(preview.path);
    while (readFileSync(preview.path).equals(first)) {
      preview.show({ ...RASTER, rgb: RASTER.rgb.map(() => 200) });
      await new Promise(setImmediate);
    }
    await preview.remove();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('names no process where it is none of ours, and is not kept open', async () => {
    for (const [name, content] of [
      ['apple.png', 'png'],
      ['apple.png.preview.png', 'no PNG'],
    ] as const) {
      writeFileSync(join(folder, name), content);
      expect(await processOfPreview(join(folder, name))).toBeNull();
    }
    if (process.platform === 'linux') expect(openFilesIn(folder)).toEqual([]);
  });

  it('that was never shown leaves nothing to remove', async () => {
    await new PreviewFile(join(folder, 'apple.png')).remove();
  });

  it('that cannot be written is told when it is removed', async () => {
    writeFileSync(join(folder, 'file'), '');
    const preview = new PreviewFile(join(folder, 'file', 'apple.png'));
    preview.show(RASTER);
    await expect(preview.remove()).rejects.toMatchObject({ code: 'IO_FAILED' });
  });
});
