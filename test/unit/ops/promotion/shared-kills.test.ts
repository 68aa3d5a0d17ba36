import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { T2IError } from '../../../../src/errors.js';
import { readHistory } from '../../../../src/ops/promotion/history.js';
import { promote } from '../../../../src/ops/promotion/promote.js';
import { rollback } from '../../../../src/ops/promotion/rollback.js';
import { MemoryPlace } from './memory-place.js';
import { lives } from './mortal-fs.js';
import { expectNeverWorse, readPromotedModel, writeRun } from './tiny-runs.js';

vi.mock('node:fs/promises', async (load) => (await import('./mortal-fs.js')).mortalFs(await load()));

const MACHINES = 2;
const FOREVER = 1e9;

type Act =
  | { kind: 'train'; machine: number; name: string; loss: number | null }
  /** What every machine does at the same time, and how the turn goes round at each call of the place. */
  | { kind: 'at once'; does: (Doing | null)[]; turns: number[] };
interface Doing {
  what: 'promote' | 'force' | 'roll back' | 'go to 1' | 'promote alone';
  writes: number;
}

const doing: fc.Arbitrary<Doing> = fc.record({
  what: fc.oneof(
    { weight: 6, arbitrary: fc.constant('promote' as const) },
    fc.constantFrom('force' as const, 'roll back' as const, 'go to 1' as const, 'promote alone' as const),
  ),
  writes: fc.oneof({ weight: 2, arbitrary: fc.constant(FOREVER) }, fc.nat(60)),
});
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    kind: fc.constant('train' as const),
    machine: fc.nat(MACHINES - 1),
    name: fc.constantFrom('a', 'b'),
    loss: fc.option(fc.integer({ min: 1, max: 30 }), { freq: 9 }),
  }),
  fc.record({
    kind: fc.constant('at once' as const),
    does: fc.array(doing, { minLength: MACHINES, maxLength: MACHINES }),
    turns: fc.array(fc.nat(MACHINES - 1), { minLength: 4, maxLength: 12 }),
  }),
);

it('leaves one history of whole models, none worse, whatever machines do and wherever they are killed', {
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 4, maxLength: 12 }), async (acts) => {
      const machines = new Machines();
      try {
        for (const each of acts) {
          await machines.act(each);
          machines.shared.expectOneHistory();
          expectNeverWorse(machines.shared.history);
        }
        await machines.expectSettled();
      } finally {
        machines.remove();
      }
    }),
    { numRuns: 40, endOnFailure: true },
  );
});

const train = (machine: number, name: string, loss: number): Act => ({ kind: 'train', machine, name, loss });
/** What one machine does, alone. */
const alone = (machine: number, what: Doing['what'], writes = FOREVER): Act => ({
  kind: 'at once',
  does: Array.from({ length: MACHINES }, (_, at) => (at === machine ? { what, writes } : null)),
  turns: [0],
});
const promoted = [train(0, 'a', 9), alone(0, 'promote'), train(0, 'b', 8), alone(0, 'promote')];

it.each<[string, Act[], (writes: number) => Act]>([
  ['promotion', [...promoted, alone(1, 'promote'), train(1, 'a', 7)], (writes) => alone(1, 'promote', writes)],
  ['first sharing', [train(0, 'a', 9), alone(0, 'promote alone')], (writes) => alone(0, 'promote', writes)],
  ['adoption', promoted, (writes) => alone(1, 'promote', writes)],
  [
    'adoption in place of a model of its own',
    [...promoted, train(1, 'a', 9), alone(1, 'promote alone')],
    (writes) => alone(1, 'promote', writes),
  ],
  ['rollback', [...promoted, alone(1, 'promote')], (writes) => alone(1, 'roll back', writes)],
  ['rollback by a machine that is behind', promoted, (writes) => alone(1, 'roll back', writes)],
])('mends what any kill of a %s leaves', { timeout: 300_000 }, async (_, before, last) => {
  let killed = true;
  for (let writes = 0; killed; writes++) {
    const machines = new Machines();
    try {
      for (const each of before) await machines.act(each);
      killed = await machines.act(last(writes));
      await machines.expectSettled();
    } finally {
      machines.remove();
    }
  }
});

class Machines {
  readonly shared = new MemoryPlace();
  readonly #root = mkdtempSync(join(tmpdir(), 't2i-shared-kills-'));
  readonly #projects = Array.from({ length: MACHINES }, () => mkdtempSync(join(this.#root, 'project-')));
  #trained = 0;

  /** Returns whether a process was killed. */
  async act(act: Act): Promise<boolean> {
    if (act.kind === 'train') {
      const project = this.#projects[act.machine] as string;
      // A loss is that of certain weights: no two are the same.
      const number = ++this.#trained;
      const loss = act.loss === null ? null : act.loss + number / 1000;
      writeRun(project, `${act.name}-${act.machine}`, loss, {}, `weights ${number}`);
      return false;
    }
    const turns = new Turns(act.turns);
    this.shared.before = () => turns.pass();
    const killed = await Promise.all(
      act.does.map((doing, at) => doing !== null && turns.run(() => this.#process(at, doing))),
    );
    this.shared.before = async () => {};
    return killed.includes(true);
  }

  /** What a machine does as a process of its own; returns whether it was killed. */
  async #process(machine: number, { what, writes }: Doing): Promise<boolean> {
    const project = this.#projects[machine] as string;
    const { shared } = this;
    const common = { project, target: 'saved_models', keep: 2, signal: new AbortController().signal };
    const promotion = { ...common, minDelta: 0, dryRun: false };
    const works = {
      promote: () => promote({ ...promotion, shared }),
      'promote alone': () => promote(promotion),
      force: () => promote({ ...promotion, shared, force: 'so' }),
      'roll back': () => rollback({ ...common, shared }),
      'go to 1': () => rollback({ ...common, shared, version: 1 }),
    };
    const left = { writes };
    await lives.run(left, async () => {
      const before = shared.written.length;
      try {
        const result = await works[what]();
        if ('promoted' in result && result.promoted && what !== 'promote alone')
          expect(shared.history.map(({ model }) => model.version)).toContain(result.version);
        if (before === 0 && what === 'promote') expect(shared.record).not.toBe(null);
      } catch (error) {
        const killed = left.writes < 0;
        // Nothing to promote, nothing to go back to, another machine was faster, and what a version was of is lost.
        const fine =
          T2IError.is(error) &&
          (error.code === 'REMOTE_CONFLICT' ||
            /no finished run|no earlier version|expected (none yet|one of)/.test(error.message) ||
            (/^(go to|roll)/.test(what) && /ENOENT|is not the file of its record|is not there/.test(error.message)));
        if (!killed && !fine) throw error;
      }
    });
    // Another one takes the lock of a process that is gone; here that one lives, as all do.
    const lock = join(project, 'promotions/.lock');
    if (left.writes < 0 && existsSync(lock)) utimesSync(lock, 0, 0);
    return left.writes < 0;
  }

  /** The next promotion of each machine leaves it with what is shared, record, files and history. */
  async expectSettled(): Promise<void> {
    // The last may promote yet, which those before it then get.
    const rounds = [...this.#projects.keys(), ...[...this.#projects.keys()].slice(0, -1)];
    for (const machine of rounds) await this.#process(machine, { what: 'promote', writes: FOREVER });
    this.shared.expectOneHistory();
    expectNeverWorse(this.shared.history);
    const { history } = this.shared;
    if (history.length === 0) return;
    for (const project of this.#projects) {
      const { weights, ...model } = readPromotedModel(project);
      expect(model).toEqual(history.at(-1)?.model);
      for (const [path, { sha256 }] of Object.entries(model.files)) {
        const bytes = readFileSync(join(project, 'saved_models/diffuser', path));
        expect(createHash('sha256').update(bytes).digest('hex'), weights).toBe(sha256);
      }
      expect(await readHistory(project)).toEqual(history);
    }
  }

  remove(): void {
    rmSync(this.#root, { recursive: true });
  }
}

/** Lets one process work at a time; at each call of the place the turn goes to one of those that wait, as it was drawn. */
class Turns {
  readonly #drawn: readonly number[];
  readonly #waiting: (() => void)[] = [];
  #working = 0;
  #next = 0;

  constructor(drawn: readonly number[]) {
    this.#drawn = drawn;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    this.#working++;
    try {
      await this.pass();
      return await work();
    } finally {
      this.#working--;
      this.#hand();
    }
  }

  async pass(): Promise<void> {
    const turn = new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#working--;
    this.#hand();
    await turn;
  }

  #hand(): void {
    if (this.#working > 0 || this.#waiting.length === 0) return;
    const drawn = this.#drawn[this.#next++ % this.#drawn.length] as number;
    const [go] = this.#waiting.splice(drawn % this.#waiting.length, 1);
    this.#working++;
    go?.();
  }
}
