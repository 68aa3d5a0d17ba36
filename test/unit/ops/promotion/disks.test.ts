import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fetchModel } from '../../../../src/ops/promotion/place.js';
import { promote } from '../../../../src/ops/promotion/promote.js';
import { rollback } from '../../../../src/ops/promotion/rollback.js';
import { modelOf, readPromotedModel, writeRun } from './tiny-runs.js';

/** Whether the folder of the promoted model is on another disk than the project, and whether nothing may leave it. */
const disks = vi.hoisted(() => ({ two: false, isLocked: false }));
vi.mock('node:fs/promises', async (load) => {
  const real = await load<typeof import('node:fs/promises')>();
  const isSaved = (path: unknown) => /\/saved_models\//.test(`${path}`);
  const rename: typeof real.rename = async (from, to) => {
    if (disks.isLocked && isSaved(from)) throw Object.assign(new Error('EACCES: not permitted'), { code: 'EACCES' });
    if (!disks.two || isSaved(from) === isSaved(to)) return real.rename(from, to);
    throw Object.assign(new Error('EXDEV: cross-device link not permitted'), { code: 'EXDEV' });
  };
  return { ...real, rename };
});

let project: string;
beforeEach(async () => {
  Object.assign(disks, { two: false, isLocked: false });
  project = mkdtempSync(join(tmpdir(), 't2i-disks-'));
  for (const [name, loss] of [
    ['one', 0.5],
    ['two', 0.4],
  ] as const) {
    writeRun(project, name, loss);
    await take();
  }
  disks.two = true;
});
afterEach(() => rmSync(project, { recursive: true }));

const { signal } = new AbortController();
const common = () => ({ project, target: 'saved_models', keep: 3, signal });
const take = () => promote({ ...common(), minDelta: 0, dryRun: false });
const refused = {
  code: 'IO_FAILED',
  message: expect.stringContaining('EXDEV'),
  hint: expect.stringContaining('one disk'),
};
const promoted = () => readPromotedModel(project);

describe('a model that cannot be moved to its place', () => {
  it('is not promoted, and the one before stays', async () => {
    writeRun(project, 'three', 0.3);
    await expect(take()).rejects.toMatchObject(refused);
    expect(promoted()).toMatchObject({ weights: 'weights of two', version: 2 });
    disks.two = false;
    expect(await take()).toMatchObject({ promoted: true, run: 'three', version: 3 });
  });

  it('is told by why the one before cannot leave its place, which stays there', async () => {
    Object.assign(disks, { two: false, isLocked: true });
    writeRun(project, 'three', 0.3);
    await expect(take()).rejects.toMatchObject({ code: 'IO_FAILED', message: expect.stringContaining('EACCES') });
    expect(promoted()).toMatchObject({ weights: 'weights of two', version: 2 });
  });

  it('is not gone back to, and what should go is promoted by nobody meanwhile', async () => {
    await expect(rollback(common())).rejects.toMatchObject(refused);
    expect(promoted()).toMatchObject({ weights: 'weights of two', version: 2 });
    expect(readFileSync(join(project, 'promotions/history.jsonl'), 'utf8')).toContain('rolled-back');
    disks.two = false;
    expect(await rollback({ ...common(), version: 1 })).toMatchObject({ rolledBack: true, version: 1 });
    expect(await take()).toMatchObject({ promoted: false, run: 'one' });
  });
});

it('tells a mistake of this package as what it is, wherever else the files may be', async () => {
  const place = { project, folder: join(project, 'saved_models') };
  const bug = async () => {
    throw new TypeError('a bug');
  };
  const whole = vi.fn(async () => {});
  await expect(fetchModel(place, modelOf(1, 'a'), [bug, whole], signal)).rejects.toThrow(TypeError);
  expect(whole).not.toHaveBeenCalled();
});
