import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
// Loaded with the file, not by whichever test is the first.
import '../../../src/cli/data/run-data.js';
import { S3Store } from '../../../src/aws/s3-store.js';
import { main } from '../../../src/cli/main.js';
import type { Issue } from '../../../src/errors.js';
import { fakeIo, shownLines } from '../../support/fake-io.js';
import { writeFakePython } from '../../support/fake-python.js';
import { MemoryBucket } from '../../support/memory-bucket.js';

/** Its result is what the stage was started with. */
const PYTHON = `
const value = { stage: call.stage, options: call.options, ...JSON.parse(process.env.T2I_TEST_FOUND ?? '{}') };
emit('result', { value });`;

let project: string;
let python: string;
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-data-'));
  python = writeFakePython(join(project, 'python'), PYTHON);
  writeFileSync(join(project, 'params.yaml'), '{}');
});
afterAll(() => rmSync(project, { recursive: true }));

async function data(...argv: string[]) {
  const io = fakeIo({ cwd: project });
  const code = await main(['data', ...argv, '--python', python, '--json'], io);
  return { code, said: JSON.parse(io.out()) };
}

describe('t2i data', () => {
  it('imports and prepares more images where there are fewer than are trained on', async () => {
    const images = join(project, 'data/raw/dataset/images');
    mkdirSync(images, { recursive: true });
    writeFileSync(join(images, 'a.png'), '');
    expect((await data('import', 'more')).code).toBe(0);
    for (const action of ['caption', 'embed', 'latents', 'check']) expect((await data(action)).code, action).toBe(0);
    rmSync(images, { recursive: true });
  });

  it.each(['caption', 'embed', 'latents'])('%s works in one process unless told', async (action) => {
    expect(await data(action)).toEqual({ code: 0, said: { stage: action, options: [] } });
  });

  it.each(['caption', 'embed', 'latents'])('%s goes to a Ray cluster on request', async (action) => {
    const flags = ['--on', 'ray', '--ray-address', '10.0.0.5:6379', '--ray-workers', '4'];
    expect(await data(action, ...flags)).toEqual({ code: 0, said: { stage: action, options: flags } });
  });

  it('ends with 1 where a check finds errors', async () => {
    vi.stubEnv('T2I_TEST_FOUND', '{"ok": true, "errors": []}');
    expect((await data('check')).code).toBe(0);
    vi.stubEnv('T2I_TEST_FOUND', '{"ok": false, "errors": ["a caption"]}');
    expect(await data('check')).toMatchObject({ code: 1, said: { ok: false, errors: ['a caption'] } });
    vi.unstubAllEnvs();
  });

  it('refuses everything that is wrong with where it works at once', async () => {
    const issues = async (...argv: string[]) => {
      const { code, said } = await data(...argv);
      expect(code).toBe(2);
      return said.error.issues.map(({ option }: { option: string }) => option);
    };
    expect(await issues('embed', '--on', 'spark', '--ray-workers', '0')).toEqual(['--on', '--ray-workers']);
    expect(await issues('embed', '--on', 'here', '--ray-workers', '2', '--overwrite')).toEqual([
      '--overwrite',
      '--ray-workers',
    ]);
    expect(await issues('check', '--on', 'ray')).toEqual(['--on']);
  });

  it('checks unless told otherwise, and gives an import the whole path and its flags', async () => {
    expect((await data()).said).toMatchObject({ stage: 'check_data', options: [] });
    const flags = ['--strict', '--class-captions', '--min-side', '32'];
    expect((await data('import', 'more', ...flags)).said).toEqual({
      ...{ stage: 'import_data', options: ['--source', join(project, 'more'), ...flags] },
    });
    expect((await data('import', '/elsewhere')).said.options).toEqual(['--source', '/elsewhere']);
    expect((await data('caption', '--overwrite')).said.options).toEqual(['--overwrite']);
    expect((await data('caption', '--on', 'here')).said.options).toEqual(['--on', 'here']);
  });

  it.each([
    [['walk'], 'action', /unknown action "walk"/],
    [['import'], 'file', /a folder or an archive of images with import/],
    [['caption', 'more'], 'file', /nothing with caption/],
    [['import', 'more', '--min-side', '0'], '--min-side', /an integer from 1 to 65536/],
    [['import', 'more', '--min-side', 'x'], '--min-side', /an integer from 1 to 65536/],
    [['caption', '--strict'], '--strict', /nothing with caption/],
    [['embed', '--on', 'ray', '--ray-workers', '10001'], '--ray-workers', /an integer from 1 to 10000/],
    [['embed', '--on', 'ray', '--ray-address', ''], '--ray-address', /HOST:PORT/],
    [['latents', '--ray-address', 'auto'], '--ray-address', /nothing without --on ray/],
    [['push', '--archive', 'rar'], '--archive', /one of shards, zip/],
    [['check', '--archive', 'zip'], '--archive', /nothing with check/],
    [['push'], '--python', /nothing with push/],
  ])('refuses %j', async (argv, option, words) => {
    const { code, said } = await data(...argv);
    expect(code).toBe(2);
    const told = said.error.issues.map((issue: Issue) => [issue.option, issue.problem ?? issue.expected]);
    expect(told).toContainEqual([option, expect.stringMatching(words)]);
  });
});

describe('t2i data push', () => {
  afterEach(() => vi.restoreAllMocks());

  const push = async (...argv: string[]) => {
    const io = fakeIo({ cwd: project, terminal: true });
    return { code: await main(['data', 'push', '--json', ...argv], io), out: io.out(), err: io.err() };
  };
  const write = (path: string) => {
    mkdirSync(join(project, path, '..'), { recursive: true });
    writeFileSync(join(project, path), path);
  };

  it('copies what is trained on where the parameters say, and reports what lies there', async () => {
    writeFileSync(join(project, 'params.yaml'), `data: { remote: ${project}/remote }`);
    for (const path of ['data/raw/dataset/images/a.png', 'data/prepared/b.bin', 'data/other.txt']) write(path);
    const { code, out, err } = await push();
    expect(code, err).toBe(0);
    expect(err).toContain('data 2/2 files');
    for (const path of ['raw/dataset/images/a.png', 'prepared/b.bin'])
      expect(existsSync(join(project, 'remote/data', path)), path).toBe(true);
    expect(existsSync(join(project, 'remote/data/other.txt'))).toBe(false);
    const { copied, ...report } = JSON.parse(out);
    expect(copied).toBe(2);
    const path = join(project, 'reports/data-push.json');
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(report);
    expect(JSON.parse((await push()).out)).toEqual({ copied: 0, ...report });
    rmSync(join(project, 'remote'), { recursive: true });
    await push('--archive', 'zip');
    expect(existsSync(join(project, 'remote/data/prepared'))).toBe(false);
    expect(existsSync(join(project, 'remote/data/raw/dataset/images/a.png'))).toBe(true);
  });

  it('sends it to S3 as it is told to, reports that alone, and leaves no line on a terminal', async () => {
    const bucket = new MemoryBucket();
    const store = await bucket.store();
    const close = vi.spyOn(store, 'close');
    vi.spyOn(S3Store, 'open').mockResolvedValue(store);
    writeFileSync(join(project, 'params.yaml'), 'data: { remote: "s3://flowers/v1" }');
    for (const path of ['data/raw/dataset/images/a.png', 'data/prepared/b.bin']) write(path);
    const { code, out, err } = await push('--archive', 'zip');
    expect(code, err).toBe(0);
    expect(bucket.keys()).toEqual([expect.stringMatching(/^v1\/dataset-.*\.zip$/), 'v1/manifest.json']);
    const { copied: _, ...report } = JSON.parse(out);
    expect(JSON.parse(readFileSync(join(project, 'reports/data-push.json'), 'utf8'))).toEqual(report);
    const shown = shownLines(err);
    expect([shown.at(-2), shown.at(-1)]).toEqual([expect.stringMatching(/^data (\d+)\/\1 files$/), '']);
    expect(close).toHaveBeenCalledOnce();

    await push();
    expect(bucket.keys()).toEqual(['v1/manifest.json', expect.stringMatching(/^v1\/shards\/.*\.tar$/)]);
    const { files } = JSON.parse(bucket.text('v1/manifest.json'));
    expect(Object.keys(files).sort()).toEqual(['data/prepared/b.bin', 'data/raw/dataset/images/a.png']);
    bucket.keeps = () => {
      throw new Error('the bucket is gone');
    };
    write('data/prepared/c.bin');
    expect((await push()).code).not.toBe(0);
    expect(close).toHaveBeenCalledTimes(3);
  });

  it('names the parameter that is no address', async () => {
    writeFileSync(join(project, 'params.yaml'), 'data: { remote: "s3://UP" }');
    const { code, err } = await push();
    expect([code, err]).toEqual([2, expect.stringMatching(/data\.remote: .*bucket/)]);
  });
});
