import { getEventListeners } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PARAMS } from '../../../../src/ops/params/schema.js';
import type { StageProgress } from '../../../../src/ops/python/events.js';
import { runStage, type StageRun } from '../../../../src/ops/python/run-stage.js';

/** An interpreter that runs JavaScript in place of the stage: `argv` is what it was started with. */
const FAKE = `
const argv = process.argv.slice(2);
const emit = (event, fields) => console.log(JSON.stringify({ event, ...fields }));
const params = argv[argv.indexOf('--params') + 1];
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-stage-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function run(code: string, more: Partial<StageRun> = {}): Promise<unknown> {
  const script = join(folder, `fake-${count++}.mjs`);
  writeFileSync(script, `import fs from 'node:fs';\n${FAKE}\n${code}`);
  return runStage({
    stage: 'embed',
    project: folder,
    params: PARAMS.parse({ data: { train_size: 5, val_size: 1 }, training: { batch_size: 4 } }),
    python: [process.execPath, script],
    signal: new AbortController().signal,
    ...more,
  });
}

const PROGRESS: StageProgress = {
  what: 'captions',
  done: 1,
  total: 2,
  unit: 'images',
  rate: 3,
  left: 4,
  figures: { loss: null },
};

describe('a stage', () => {
  it('gets project, parameters and options, and says what it made', async () => {
    const { signal } = new AbortController();
    const value = await run(
      `emit('result', { value: { argv, params: JSON.parse(fs.readFileSync(params)), cwd: process.cwd(), env: process.env } });`,
      {
        options: ['--strict'],
        env: { LOCAL_SIZE: '2' },
        signal,
      },
    );
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(value).toMatchObject({
      params: { data: { train_size: 5, raw: 'data/raw/dataset' }, unet: { dropout: 0 } },
      cwd: realpathSync(folder),
      env: { PATH: process.env.PATH, LOCAL_SIZE: '2', PYTHONUNBUFFERED: '1' },
    });
    const { argv } = value as { argv: string[] };
    expect(argv[0]).toMatch(/trainer[\\/]stages[\\/]embed\.py$/);
    expect(argv.slice(1, 3)).toEqual(['--project', folder]);
    expect(argv.at(-1)).toBe('--strict');
    expect(() => readFileSync(argv[4] as string)).toThrow(/ENOENT/);
  });

  it('has parameters that nobody else may read, no further options and no input, and may tell what nobody hears', async () => {
    const value = await run(
      `const mode = fs.statSync(params).mode & 0o777;
       fs.rmSync(params);
       emit('progress', ${JSON.stringify(PROGRESS)}); emit('warning', { message: 'two captions are long' });
       emit('result', { value: { mode, arguments: argv.length, input: fs.fstatSync(0).isCharacterDevice() } });`,
    );
    expect(value).toEqual({ mode: 0o600, arguments: 5, input: true });
  });

  it('tells progress and warnings as they come, whatever else its libraries print', async () => {
    const [seen, warnings]: [StageProgress[], string[]] = [[], []];
    await run(
      `console.log('a library says hello'); console.log('{"event":"progress"}'); console.log('null');
       emit('progress', ${JSON.stringify(PROGRESS)}); emit('warning', { message: 'two captions are long' });
       emit('result', { value: null });`,
      { onProgress: (progress) => seen.push(progress), onWarning: (message) => warnings.push(message) },
    );
    expect(seen).toEqual([{ event: 'progress', ...PROGRESS }]);
    expect(warnings).toEqual(['two captions are long']);
  });

  it('fails with what it says', async () => {
    const issue = { option: 'data.raw', expected: 'images', received: 'none' };
    const error = { code: 'DATA_INVALID', message: 'no images', hint: 'Import some.', issues: [issue] };
    await expect(run(`emit('error', ${JSON.stringify(error)}); process.exitCode = 1;`)).rejects.toMatchObject(error);
    const bug = { code: 'INTERNAL', message: 'KeyError', hint: null, issues: [] };
    await expect(run(`emit('error', ${JSON.stringify(bug)}); process.exitCode = 1;`)).rejects.toMatchObject({
      name: 'T2IInternalError',
      message: 'embed: KeyError',
    });
  });

  it.each([
    [
      'with a code and the last lines',
      `for (let i = 0; i < 50; i++) console.error('line ' + i); process.exitCode = 7;`,
      /ended with 7\nline 20\n(.*\n)+line 49$/,
    ],
    ['with 0, but no result', '', /^the stage embed ended with 0$/],
    ['with a result, then a crash', `emit('result', { value: 1 }); process.exitCode = 1;`, /ended with 1/],
    ['with a result among its errors', `console.error('{"event":"result","value":1}');`, /ended with 0\n\{"event"/],
    ['by a signal', `process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1000);`, /was ended by SIGKILL/],
  ])('that ends %s is STAGE_FAILED', async (how, code, message) => {
    await expect(run(code)).rejects.toMatchObject({
      code: 'STAGE_FAILED',
      message: expect.stringMatching(message),
      hint: expect.stringContaining(how === 'by a signal' ? 'batch_size' : 'goes on where it stopped'),
    });
  });

  it('is told of an abort, may keep what it has, and is waited for', async () => {
    const controller = new AbortController();
    const kept = join(folder, 'kept');
    const stage = run(
      `process.on('SIGTERM', () => { fs.writeFileSync(${JSON.stringify(kept)}, 'checkpoint'); process.exit(0); });
       setInterval(() => {}, 1000); emit('progress', ${JSON.stringify(PROGRESS)});`,
      { signal: controller.signal, onProgress: () => controller.abort(new Error('enough')) },
    );
    await expect(stage).rejects.toThrow('enough');
    expect(readFileSync(kept, 'utf8')).toBe('checkpoint');
  });

  it('is told at once of an abort that came before', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(run('setInterval(() => {}, 1000);', { signal })).rejects.toThrow('enough');
  });

  it('says which interpreter cannot be started', async () => {
    const python = [join(folder, 'no-python')];
    await expect(run('', { python })).rejects.toMatchObject({
      code: 'PYTHON_UNAVAILABLE',
      message: expect.stringMatching(/no-python/),
      hint: expect.stringContaining('--python'),
      cause: expect.any(Error),
    });
    writeFileSync(python[0] as string, '');
    chmodSync(python[0] as string, 0o600);
    await expect(run('', { python })).rejects.toMatchObject({ code: 'PYTHON_UNAVAILABLE' });
  });
});
