import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { type PullOptions, pullModel } from '../../../src/hub/pull.js';
import { parseReference } from '../../../src/hub/repo-name.js';
import { hubSettings } from '../../../src/hub/settings.js';
import { describeModel } from '../../../src/model/layout.js';
import { FakeHub } from '../../support/fake-hub.js';
import { type Files, SMALLEST } from '../model/model-dir.js';

export const WEIGHTS = Buffer.alloc(300_000, 'weights of the unet ');
export const MODEL: Files = { ...SMALLEST, 'unet/model.weights': WEIGHTS };
/** Requests for the content of the weights. */
export const OBJECT = new RegExp(`GET /objects/${sha256(WEIGHTS)}`);

/** A Hub with the model tester/flowers, and an empty folder for its caches, anew for each test. */
export const at = { hub: null as unknown as FakeHub, home: '' };

export function freshHub(): void {
  beforeEach(async () => {
    at.hub = await FakeHub.start();
    at.hub.add('tester/flowers', MODEL);
    at.home = realpathSync(mkdtempSync(join(tmpdir(), 't2i-hub-')));
  });
  afterEach(async () => {
    await at.hub.close();
    rmSync(at.home, { recursive: true });
  });
}

export const flowers = () =>
  at.hub.repositories.get('models/tester/flowers') as NonNullable<ReturnType<FakeHub['repositories']['get']>>;

export const settings = (env: Record<string, string> = {}) => hubSettings({ ...at.hub.env(at.home), ...env });

export const pull = (reference = 'tester/flowers', options: Partial<PullOptions> = {}) =>
  pullModel(parseReference(reference, 'model'), {
    hub: settings(),
    signal: new AbortController().signal,
    wait: async () => {},
    ...options,
  });

export const folder = () => join(at.home, 'hub/models--tester--flowers');

export const blobs = () => readdirSync(join(folder(), 'blobs'));

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Where content lies while it is fetched. */
export const partOf = (content: Buffer) => join(folder(), 'blobs', `${sha256(content)}.t2i.incomplete`);

/** The start of the weights, as a run that was stopped leaves it. */
export function leavePart(bytes: Buffer): void {
  mkdirSync(join(folder(), 'blobs'), { recursive: true });
  writeFileSync(partOf(WEIGHTS), bytes);
}

export async function expectWhole(dir: string): Promise<void> {
  expect((await describeModel(dir)).nativeSize).toEqual({ height: 128, width: 128 });
}
