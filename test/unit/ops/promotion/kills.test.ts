import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { T2IError } from '../../../../src/errors.js';
import { readHistory } from '../../../../src/ops/promotion/history.js';
import { promote } from '../../../../src/ops/promotion/promote.js';
import type { PromotedModel } from '../../../../src/ops/promotion/records.js';
import { rollback } from '../../../../src/ops/promotion/rollback.js';
import { lives } from './mortal-fs.js';
import { expectNeverWorse, writeRun } from './tiny-runs.js';

vi.mock('node:fs/promises', async (load) => (await import('./mortal-fs.js')).mortalFs(await load()));

type Act =
  | { kind: 'train'; name: string; loss: number | null }
  | { kind: 'promote'; writes: number[]; force: boolean }
  | { kind: 'roll back'; writes: number };

const FOREVER = 1e9;
const writes = fc.oneof(fc.nat(60), fc.constant(FOREVER));
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('train' as const),
      name: fc.constantFrom('a', 'b', 'c'),
      loss: fc.option(fc.integer({ min: 1, max: 9 })),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('promote' as const),
      writes: fc.array(writes, { minLength: 1, maxLength: 2 }),
      force: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('roll back' as const), writes }) },
);

it('leaves one whole model and never a worse one, wherever promoters are killed', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 2, maxLength: 8 }), async (acts) => {
      const project = new Project();
      try {
        for (const each of acts) {
          await project.act(each);
          project.expectWholeOrNone();
        }
        await project.expectSettled();
      } finally {
        project.remove();
      }
    }),
    { numRuns: 40, endOnFailure: true },
  );
});

const better: Act[] = [
  { kind: 'train', name: 'a', loss: 5 },
  { kind: 'promote', writes: [FOREVER], force: false },
  { kind: 'train', name: 'b', loss: 4 },
];

it.each<[string, Act[], (writes: number) => Act]>([
  ['promotion', better, (writes) => ({ kind: 'promote', writes: [writes], force: false })],
  [
    'rollback',
    [...better, { kind: 'promote', writes: [FOREVER], force: false }],
    (writes) => ({ kind: 'roll back', writes }),
  ],
])(
  'mends what any kill of a %s leaves, though the run is no longer there',
  { timeout: 300_000 },
  async (_, before, last) => {
    let killed = true;
    for (let writes = 0; killed; writes++) {
      const project = new Project();
      try {
        for (const each of before) await project.act(each);
        killed = await project.act(last(writes));
        project.expectWholeOrNone();
        // The run is trained again, to nothing as good: what was promoted of it is among the versions alone.
        await project.act({ kind: 'train', name: 'b', loss: 9 });
        await project.act({ kind: 'train', name: 'a', loss: 9 });
        await project.expectSettled();
      } finally {
        project.remove();
      }
    }
  },
);

class Project {
  readonly folder = mkdtempSync(join(tmpdir(), 't2i-kills-'));
  readonly #common = { project: this.folder, target: 'saved_models', keep: 2, signal: new AbortController().signal };
  #trained = 0;

  /** Returns whether a process was killed. */
  async act(act: Act): Promise<boolean> {
    if (act.kind === 'train') {
      const weights = `weights ${++this.#trained}`;
      writeRun(this.folder, act.name, act.loss, {}, weights);
      return false;
    }
    if (act.kind === 'roll back') return this.process(act.writes, () => rollback(this.#common));
    const killed = await Promise.all(act.writes.map((each) => this.process(each, () => this.promote(act.force))));
    return killed.includes(true);
  }

  promote(force = false) {
    return promote({ ...this.#common, minDelta: 0, dryRun: false, ...(force && { force: 'so' }) });
  }

  /** Runs work as a process of its own; returns whether it was killed. */
  async process(writes: number, work: () => Promise<unknown>): Promise<boolean> {
    const left = { writes };
    await lives.run(left, work).catch((error) => {
      const killed = left.writes < 0;
      // Nothing to promote yet, and nothing to go back to.
      const fine = T2IError.is(error) && /no finished run|no earlier version/.test(error.message);
      if (!killed && !fine) throw error;
    });
    // Another one takes the lock of a process that is gone; here that one lives, as all do.
    const lock = join(this.folder, 'promotions/.lock');
    if (left.writes < 0 && existsSync(lock)) utimesSync(lock, 0, 0);
    return left.writes < 0;
  }

  /** What lies where the promoted model is to lie is one model, whole, or nothing. */
  expectWholeOrNone(): void {
    const folder = join(this.folder, 'saved_models/diffuser');
    if (!existsSync(folder)) return;
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual([
      'model_index.json',
      'unet',
      'unet/model.safetensors',
    ]);
    expect(readFileSync(join(folder, 'unet/model.safetensors'), 'utf8')).toMatch(/^weights \d+$/);
  }

  /** The next promotion leaves the model of the record, and a history in which each one is better than the one before. */
  async expectSettled(): Promise<void> {
    await this.process(FOREVER, () => this.promote());
    const record = join(this.folder, 'saved_models/model_metadata.json');
    if (!existsSync(record)) return;
    const model = JSON.parse(readFileSync(record, 'utf8')) as PromotedModel;
    for (const [path, { sha256 }] of Object.entries(model.files)) {
      const bytes = readFileSync(join(this.folder, 'saved_models/diffuser', path));
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
    }
    expect(
      readdirSync(join(this.folder, 'promotions')).filter((name) => /^(incoming|outgoing|\.lock)$/.test(name)),
    ).toEqual([]);
    const history = await readHistory(this.folder);
    expect(history.at(-1)?.model).toEqual(model);
    expectNeverWorse(history);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
