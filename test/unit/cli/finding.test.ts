import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { findModelOf } from '../../../src/cli/find-model.js';
import { loadPipeline } from '../../../src/cli/load-pipeline.js';
import { projectFolder } from '../../../src/cli/project-folder.js';
import { readModel } from '../../../src/cli/read-model.js';
import { describeModel } from '../../../src/model/layout.js';
import { Pipeline } from '../../../src/pipeline.js';
import { fakeIo, shownLines } from '../../support/fake-io.js';
import { FAULTS } from '../../support/fake-server.js';
import { at, flowers, folder, freshHub, pull } from '../hub/pulling.js';

const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));

afterEach(() => vi.restoreAllMocks());

describe('the model of a command', () => {
  freshHub();
  const find = async (name: string) => {
    const io = fakeIo({ cwd: at.home, terminal: true, env: { ...at.hub.env(at.home), T2I_CACHE: at.home } });
    const dir = await findModelOf(name, io).catch((error: Error) => error.message);
    return { dir, lines: shownLines(io.err()) };
  };

  it('is fetched from the Hub with its progress, of which nothing stays', async () => {
    const { dir, lines } = await find('tester/flowers');
    expect(dir).toBe(join(folder(), 'snapshots', flowers().head.id));
    expect(lines).toContainEqual(expect.stringMatching(/^fetching tester\/flowers .* of 294 KiB, \d+\/10 files/));
    expect(lines.at(-1)).toBe('');
  });

  it('leaves nothing on a terminal where it cannot be fetched either', async () => {
    at.hub.objects.fail(/./, FAULTS.status(400), 100);
    const { dir, lines } = await find('tester/flowers');
    expect(dir).toMatch(/400/);
    expect(lines).toContainEqual(expect.stringMatching(/^fetching /));
    expect(lines.at(-1)).toBe('');
  });

  it('that was fetched before is used where the Hub is away, which is told in a line of its own', async () => {
    await pull();
    at.hub.api.fail(/./, FAULTS.status(503), 100);
    const { dir, lines } = await find('tester/flowers');
    expect(dir).toBe(join(folder(), 'snapshots', flowers().head.id));
    expect(lines).toContainEqual(expect.stringMatching(/^\S*note:\S* tester\/flowers cannot be asked for.*\n$/));
  });
});

describe('a model that is read', () => {
  it('is named while that takes long, and leaves nothing on a terminal', async () => {
    const io = fakeIo({ terminal: true });
    expect((await readModel(TINY, io)).name).toBe('tiny');
    const lines = shownLines(io.err());
    expect([lines.at(-2), lines.at(-1)]).toEqual([`reading the model in ${TINY}`, '']);
  });

  it('leaves nothing on a terminal where it is none', async () => {
    const io = fakeIo({ terminal: true });
    await expect(readModel(fileURLToPath(new URL('.', import.meta.url)), io)).rejects.toMatchObject({
      code: expect.stringMatching(/^MODEL_/),
    });
    expect(shownLines(io.err()).at(-1)).toBe('');
  });
});

describe('a pipeline that a command loads', () => {
  /** Loads it, as far as its model goes. */
  const load = async (known?: Awaited<ReturnType<typeof describeModel>>) => {
    const io = fakeIo({ terminal: true });
    const load = vi.spyOn(Pipeline, 'loadWith').mockImplementation(async (describe, { model, onProgress }) => {
      const read = await describe(model, undefined, undefined, undefined);
      onProgress?.({ phase: 'build', network: 'unet', fraction: 0.5, detail: '' });
      return read as never;
    });
    const read = await loadPipeline({ model: TINY, threads: 2 }, io, known);
    return { io, read, lines: shownLines(io.err()), options: load.mock.lastCall?.[1] };
  };

  it('is shown, with how far its engines are, and leaves nothing on a terminal', async () => {
    const { io, lines, options } = await load();
    expect(lines).toEqual([
      ...['', '', `reading the model in ${TINY}`, '', 'loading the model tiny'],
      ...[expect.stringMatching(/^building unet, 50 %/), ''],
    ]);
    expect(options).toMatchObject({ model: TINY, threads: 2, signal: io.signal });
  });

  it('reads no model again that was read before', async () => {
    const known = { ...(await describeModel(TINY)), name: 'known' };
    const { read, lines } = await load(known);
    expect(read).toBe(known);
    expect(lines).toEqual(['', 'loading the model known', expect.any(String), '']);
  });
});

it('a project is the folder that a command was started in', () => {
  expect(projectFolder(fakeIo({ cwd: '/flowers' }))).toBe('/flowers');
  expect(projectFolder(fakeIo())).toBe(process.cwd());
});
