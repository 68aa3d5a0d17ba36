import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lookAtStages, runStages } from '../../../../src/ops/stages/run-stages.js';
import type { Stage } from '../../../../src/ops/stages/stage.js';

/** Three stages in a row; a command's words are the file that it reads and the one that it writes. */
const STAGES: readonly Stage[] = [
  {
    name: 'cut',
    commands: [
      ['raw/a', 'cut/a'],
      ['raw/b', 'cut/b'],
    ],
    inputs: ['raw'],
    params: {},
    outputs: ['cut'],
  },
  { name: 'bake', commands: [['cut/a', 'cake']], inputs: ['cut'], params: { oven: { heat: 180 } }, outputs: ['cake'] },
  { name: 'serve', commands: [['cake', 'plate']], inputs: ['cake'], params: {}, outputs: ['plate'] },
];

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-stages-'));
  put('raw/a', 'dough');
  put('raw/b', 'cherries');
});
afterEach(() => rmSync(project, { recursive: true }));

const put = (path: string, text: string) => {
  mkdirSync(dirname(join(project, path)), { recursive: true });
  writeFileSync(join(project, path), text);
};
const get = (path: string) => readFileSync(join(project, path), 'utf8');
const bake = (heat: number, command = ['cut/a', 'cake']) =>
  STAGES.map((stage) =>
    stage.name === 'bake' ? { ...stage, commands: [command], params: { oven: { heat } } } : stage,
  );

/** Runs stages whose commands copy files; one that is to write `fails` fails with its exit code. */
async function run(
  stages: readonly Stage[] = STAGES,
  { fails = '', code = 4, signal = new AbortController().signal, before = (_: string): unknown => null } = {},
) {
  const why: Record<string, string | null> = {};
  const ended = await runStages({
    ...{ project, stages, signal, onWait: () => {} },
    onStage: ({ name }, reason) => {
      why[name] = reason;
    },
    run: async ([from = '', to = '']) => {
      before(to);
      if (to === fails) return code;
      put(to, get(from).toUpperCase());
      return 0;
    },
  });
  return { ...ended, why };
}
const states = ({ results }: Awaited<ReturnType<typeof run>>) => results.map(({ state }) => state);
const FRESH = ['up to date', 'up to date', 'up to date'];

describe('the stages of a project', () => {
  it('run in their order, and not again', async () => {
    const first = await run();
    expect(first).toMatchObject({ code: 0, why: { cut: 'it never ran', bake: 'it never ran', serve: 'it never ran' } });
    expect(states(first)).toEqual(['done', 'done', 'done']);
    expect(get('plate')).toBe('DOUGH');
    expect(states(await run())).toEqual(FRESH);
  });

  it.each<[string, (() => void) | readonly Stage[], string, string[]]>([
    ['a file within an input', () => put('raw/a', 'Dough.'), 'raw changed', ['done', 'done', 'done']],
    ['a file beside those of an input', () => put('raw/c', ''), 'raw changed', ['done', ...FRESH.slice(1)]],
    ['a parameter', bake(200), 'oven.heat changed', ['up to date', 'done', 'up to date']],
    ['a command', bake(180, ['cut/b', 'cake']), 'its command changed', ['up to date', 'done', 'done']],
    ['an output by hand', () => put('cake', 'mud'), 'cake is not what it made', ['up to date', 'done', 'up to date']],
    [
      'an output that is gone',
      () => rmSync(join(project, 'cake')),
      'cake is missing',
      ['up to date', 'done', 'up to date'],
    ],
  ])('run again after %s changed, with those after them whose inputs did', async (_, change, reason, expected) => {
    await run();
    if (typeof change === 'function') change();
    const stages = typeof change === 'function' ? STAGES : change;
    const again = await run(stages);
    expect(Object.values(again.why)).toContain(reason);
    expect(states(again)).toEqual(expected);
    expect(states(await run(stages))).toEqual(FRESH);
  });

  it('end with the exit code of the first that fails, and go on there', async () => {
    const failed = await run(STAGES, { fails: 'cut/b' });
    expect(failed).toMatchObject({ code: 4, results: [{ stage: 'cut', state: 'failed', reason: 'it never ran' }] });
    expect(existsSync(join(project, 'cake'))).toBe(false);
    const later = await run(STAGES, { fails: 'plate', code: 5 });
    expect([later.code, states(later)]).toEqual([5, ['done', 'done', 'failed']]);
    expect(states(await run())).toEqual(['up to date', 'up to date', 'done']);
  });

  it('are not up to date where one was ended in the middle', async () => {
    const stop = new AbortController();
    const before = (to: string) => {
      if (to === 'cake') stop.abort(new Error('Ctrl-C'));
    };
    await expect(run(STAGES, { signal: stop.signal, before })).rejects.toThrow('Ctrl-C');
    expect(states(await run())).toEqual(['up to date', 'done', 'done']);
  });

  it('are run again where what they read changed while they ran', async () => {
    await run(STAGES, { before: (to) => to === 'cut/b' && put('raw/a', 'other') });
    expect((await run()).why).toEqual({ cut: 'raw changed', bake: 'cut changed', serve: 'cake changed' });
  });

  it.each(['{', '[]', 'null', '{"cut": {"commands": 1}}'])('run again where their record is %s', async (text) => {
    await run();
    put('.t2i/stages.json', text);
    expect(states(await run())).toEqual(['done', 'done', 'done']);
  });

  it('say what they need that is missing, and have not run', async () => {
    rmSync(join(project, 'raw'), { recursive: true });
    await expect(run()).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: 'The stage cut needs raw',
      hint: expect.stringContaining('t2i data import'),
    });
    await expect(run(STAGES.slice(1))).rejects.toThrow('The stage bake needs cut');
  });

  it('must make what they say', async () => {
    const stages = [{ ...(STAGES[0] as Stage), outputs: ['cut', 'crumbs'] }];
    await expect(run(stages)).rejects.toThrow('The stage cut ended well, and did not make crumbs');
    expect((await lookAtStages(project, stages, new AbortController().signal)).get('cut')).toBe('it never ran');
  });

  it('run for one process at a time', async () => {
    let running = 0;
    let most = 0;
    const before = () => {
      most = Math.max(most, ++running);
    };
    const each = () =>
      run(STAGES, { before }).finally(() => {
        running = 0;
      });
    const both = await Promise.all([each(), each()]);
    expect(most).toBe(4);
    expect(both.map(states)).toContainEqual(FRESH);
  });
});

it('tells what would run, and runs nothing', async () => {
  const look = async (stages = STAGES) => [
    ...(await lookAtStages(project, stages, new AbortController().signal)).values(),
  ];
  expect(await look()).toEqual(['it never ran', 'cut is missing', 'cake is missing']);
  await run();
  expect(await look()).toEqual([null, null, null]);
  expect(await look(bake(100))).toEqual([null, 'oven.heat changed', null]);
  expect(existsSync(join(project, '.t2i/stages.lock'))).toBe(false);
});
