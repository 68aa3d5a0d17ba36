import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as opening from '../../../src/bench/open-subjects.js';
import type { BenchReport } from '../../../src/bench/report/report.js';
import type { Subject } from '../../../src/bench/subject.js';
// Loaded with the file, not by whichever test is the first.
import '../../../src/cli/bench/run-bench.js';
import { Interrupted } from '../../../src/cli/io.js';
import { main } from '../../../src/cli/main.js';
import { T2IError } from '../../../src/errors.js';
import { describeMachine } from '../../../src/pipeline/machine.js';
import { Pipeline } from '../../../src/pipeline.js';
import * as environment from '../../../src/python/environment.js';
import { fakeIo, shownLines } from '../../support/fake-io.js';
import { memoryPipeline } from '../../support/memory-session.js';
import { removeScratch, scratchFolder } from '../../support/scratch.js';
import { fakeSubject } from '../bench/subjects.js';

const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));
const SKIPPED = { name: 'tensorrt', reason: 'no GPU', hint: 't2i doctor' };

/** What was asked for; the subjects stand for what would be opened. */
let asked: opening.SubjectOptions | undefined;
let closed: string[];
const opened = (...subjects: Subject[]) => ({ subjects, skipped: [SKIPPED] });
const subject = (options: Parameters<typeof fakeSubject>[0] = {}) =>
  fakeSubject({ close: async () => void closed.push(options.name ?? 'a'), ...options });

beforeEach(() => {
  [asked, closed] = [undefined, []];
  subjectsAre(subject(), subject({ name: 'b', ms: 200 }));
  vi.spyOn(environment, 'installedPython').mockResolvedValue('/trainer/python');
});
afterEach(() => void vi.restoreAllMocks());
afterAll(removeScratch);

function subjectsAre(...subjects: Subject[]): void {
  vi.spyOn(opening, 'openSubjects').mockImplementation(async (options) => {
    asked = options;
    return opened(...subjects);
  });
}

async function bench(argv: readonly string[] = [], io = fakeIo()) {
  const code = await main(['bench', '--model', TINY, ...argv], io);
  const report = () => JSON.parse(io.out()) as BenchReport;
  return { code, out: io.out(), err: io.err(), report };
}

describe('t2i bench', () => {
  it('prints for people what was measured, in what it was measured, and where', async () => {
    const { code, out, err } = await bench(['--model', 'emoji-128', '--rounds', '2', '--preset', 'fast']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^request +128x128, 6 steps of .*, preset fast$/m);
    expect(out).toMatch(/^rounds +2$/m);
    expect(out).toMatch(/^b +b 1\.0 on the CPU$/m);
    expect(out).toMatch(/^tensorrt +skipped: no GPU$/m);
    // A blank line between the tables.
    expect(out).toMatch(/\n\n +a +b\nwhole image +100 ms.* +200 ms/);
    expect(out).toMatch(/\n\n +at once +images\/s/);
  });

  it('prints the same for programs', async () => {
    const before = new Date().toISOString();
    const { code, report } = await bench(['--rounds', '3', '--json']);
    expect(code).toBe(0);
    const { date, subjects, ...told } = report();
    expect(told).toMatchObject({
      ...{ complete: true, rounds: 3, threads: null, skipped: [SKIPPED], machine: describeMachine() },
      ...{ model: { name: 'tiny' }, request: { seed: 7, preset: null } },
    });
    expect(date >= before && date <= new Date().toISOString()).toBe(true);
    expect(subjects.map(({ name, imageMs }) => [name, imageMs?.values])).toEqual([
      ['a', [100, 100, 100]],
      ['b', [200, 200, 200]],
    ]);
  });

  it('measures what was asked for, and closes it', async () => {
    const flags = ['--backend', 'onnxruntime', '--concurrency', '2,8', '--serve', '--queue', '3', '--steps', '4'];
    expect((await bench([...flags, '--device', '1'])).code).toBe(0);
    expect(asked).toMatchObject({
      ...{ backends: ['onnxruntime'], concurrency: [1, 2, 8], serve: { queue: 3 }, diffusers: null },
      ...{ load: { model: TINY, device: 1 }, options: { steps: 4 }, request: { steps: 4 } },
    });
    expect(asked?.load).not.toHaveProperty('threads');
    expect(closed).toEqual(['a', 'b']);
    expect(environment.installedPython).not.toHaveBeenCalled();
  });

  it('opens a model as other commands do, and shows that on a terminal', async () => {
    const io = fakeIo({ terminal: true });
    const load = vi.spyOn(Pipeline, 'loadWith').mockImplementation(async (describe, { model }) => {
      await describe(model, io.signal, () => undefined, undefined);
      return memoryPipeline().pipeline;
    });
    vi.mocked(opening.openSubjects).mockImplementation(async ({ open, load: options }) => {
      await open({ ...options, backend: 'onnxruntime' });
      return opened(subject());
    });
    const { code, err } = await bench([], io);
    expect([code, load.mock.lastCall?.[1]]).toEqual([
      0,
      expect.objectContaining({ model: TINY, backend: 'onnxruntime', signal: io.signal }),
    ]);
    expect(shownLines(err)).toContain('loading the model tiny');
  });

  it('shows on a terminal how far it is, and leaves nothing of it there', async () => {
    const { err } = await bench(['--rounds', '1'], fakeIo({ terminal: true }));
    expect(shownLines(err)).toEqual(
      expect.arrayContaining([
        'loading',
        'warming up b',
        'round 1 of 1, a, 1 at once',
        expect.stringMatching(/^round 1 of 1, b, first image of a process, 83 %, \d.* left$/),
      ]),
    );
    expect(shownLines(err).at(-1)).toBe('');
  });

  it('leaves nothing there where it cannot begin, above what is wrong', async () => {
    vi.mocked(opening.openSubjects).mockRejectedValue(new T2IError('BACKEND_UNAVAILABLE', 'No backend can run here'));
    const { code, out, err } = await bench([], fakeIo({ terminal: true, env: { NO_COLOR: '1' } }));
    expect([code, out]).toEqual([4, '']);
    expect(shownLines(err).slice(-2)).toEqual(['loading', 'error: No backend can run here\n']);
  });
});

describe('the threads of t2i bench', () => {
  const most = availableParallelism();

  it.each<[string[], number | undefined, number | null]>([
    [[], undefined, null],
    [['--threads', '1'], 1, 1],
    [['--threads', '1024'], 1024, most],
    [['--against', 'diffusers'], most, most],
    [['--against', 'diffusers', '--threads', '1'], 1, 1],
    [['--against', 'diffusers', '--threads', '1024'], 1024, most],
  ])('with %j are the same on all sides', async (argv, loaded, used) => {
    const { report } = await bench([...argv, '--rounds', '1', '--json']);
    expect([asked?.load.threads, report().threads]).toEqual([loaded, used]);
    expect(asked?.diffusers?.threads).toBe(argv.length > 0 && argv[0] === '--against' ? used : undefined);
  });
});

describe('t2i bench --against diffusers', () => {
  it("draws with the trainer's own Python, or the one that is named", async () => {
    await bench(['--against', 'diffusers', '--rounds', '1']);
    expect(asked?.diffusers).toMatchObject({ python: '/trainer/python' });
    await bench(['--against', 'diffusers', '--python', '/my/python', '--rounds', '1']);
    expect(asked?.diffusers).toMatchObject({ python: '/my/python' });
    expect(environment.installedPython).toHaveBeenCalledTimes(1);
  });

  it('opens nothing where the trainer is not installed', async () => {
    vi.mocked(environment.installedPython).mockRejectedValue(new T2IError('PYTHON_UNAVAILABLE', 'not installed'));
    const { code, err } = await bench(['--against', 'diffusers']);
    expect([code, err]).toEqual([4, expect.stringContaining('not installed')]);
    expect(asked).toBeUndefined();
  });
});

describe('the page of t2i bench', () => {
  it('is written to a folder that it makes, and said where', async () => {
    const html = join(scratchFolder('t2i-bench-'), 'reports', 'bench.html');
    const { code, err } = await bench(['--rounds', '1', '--html', html]);
    expect([code, err]).toEqual([0, `wrote ${html}\n`]);
    expect(readFileSync(html, 'utf8')).toMatch(/^<!doctype html>[\s\S]*t2i bench: tiny[\s\S]*<\/html>\n$/);
  });

  it('is refused where it cannot be written, before anything is opened', async () => {
    const folder = scratchFolder('t2i-bench-');
    const { code, out, err } = await bench(['--html', folder]);
    expect([code, out, err]).toEqual([1, '', expect.stringContaining(`Cannot write ${folder}`)]);
    expect(asked).toBeUndefined();
  });

  it('has what was measured so far where a measurement fails', async () => {
    const html = join(scratchFolder('t2i-bench-'), 'bench.html');
    const failing = subject({ name: 'b' });
    const draw: Subject['draw'] = async (...args) => {
      // Warm, and never measured.
      if (failing.asked.length === 1) throw new T2IError('BACKEND_CRASHED', 'the child is gone');
      return failing.draw(...args);
    };
    subjectsAre(subject(), { ...failing, draw });
    const { code, out, err } = await bench(['--rounds', '2', '--json', '--html', html]);
    expect([code, err]).toEqual([4, expect.stringMatching(/^wrote .*\nerror: the child is gone/)]);
    const [told, error] = out.trim().split('\n');
    expect(JSON.parse(told as string)).toMatchObject({ complete: false, subjects: [{ name: 'a' }, { name: 'b' }] });
    expect(JSON.parse(error as string)).toMatchObject({ error: { code: 'BACKEND_CRASHED' } });
    expect(existsSync(html)).toBe(true);
    expect(closed).toEqual(['a', 'b']);
  });
});

describe('t2i bench that is interrupted', () => {
  it('prints what was measured so far', async () => {
    const controller = new AbortController();
    const ended = subject({ name: 'c' });
    const draw = async (requests: number, signal: AbortSignal) => {
      // Warm, and measured once.
      if (ended.asked.length === 2) controller.abort(new Interrupted('SIGINT'));
      signal.throwIfAborted();
      return ended.draw(requests, signal);
    };
    subjectsAre({ ...ended, concurrency: [1], firstImage: null, draw });
    const { code, err, report } = await bench(['--json'], fakeIo({ signal: controller.signal }));
    expect([code, err]).toEqual([130, expect.stringContaining('interrupted by SIGINT')]);
    expect(report()).toMatchObject({ complete: false, rounds: 5, subjects: [{ imageMs: { values: [100] } }] });
    expect(closed).toEqual(['c']);
  });

  it('prints nothing where nothing was measured, and closes what was opened', async () => {
    const controller = new AbortController();
    const draw = async () => {
      controller.abort(new Interrupted('SIGTERM'));
      throw controller.signal.reason;
    };
    subjectsAre(subject(), subject({ name: 'b', draw }));
    const html = join(scratchFolder('t2i-bench-'), 'bench.html');
    const { code, out } = await bench(['--html', html], fakeIo({ signal: controller.signal }));
    expect([code, out, closed]).toEqual([143, '', ['a', 'b']]);
    expect(existsSync(html)).toBe(false);
  });
});
