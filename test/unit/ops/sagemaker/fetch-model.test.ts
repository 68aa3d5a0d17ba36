import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { S3Store } from '../../../../src/aws/s3-store.js';
import { readSegments, sizeOf } from '../../../../src/ops/archive/segments.js';
import { tarSegments } from '../../../../src/ops/archive/tar.js';
import { fetchModel } from '../../../../src/ops/sagemaker/fetch-model.js';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-fetch-'));
});
afterEach(() => rmSync(project, { recursive: true }));

const signal = new AbortController().signal;
const FILES = { 'run.json': '{}', 'options.json': '{}', 'best/unet/config.json': '{"a": 1}' };
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const recordOf = (files: Record<string, string>) =>
  JSON.stringify({
    formatVersion: 1,
    result: { status: 'finished', run: 'runs/one' },
    files: Object.fromEntries(
      Object.entries(files).map(([name, text]) => [name, { bytes: text.length, sha256: sha256(text) }]),
    ),
  });

async function packed(files: Record<string, string>): Promise<Buffer> {
  const segments = tarSegments(Object.entries(files).map(([name, text]) => ({ name, content: Buffer.from(text) })));
  const chunks: Buffer[] = [];
  for await (const chunk of readSegments(segments, 0, sizeOf(segments), signal)) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

const JOB = {
  TrainingJobName: 't2i-one',
  HyperParameters: { t2i_run: 'one' },
  ModelArtifacts: { S3ModelArtifacts: 's3://flowers/out/model.tar.gz' },
};
function fetchFrom(archive: Buffer | Readable, job: object = {}, until = signal) {
  const body = Buffer.isBuffer(archive) ? Readable.from([archive]) : archive;
  const store = { open: async () => ({ body, bytes: 0 }) } as unknown as S3Store;
  return fetchModel(project, { ...JOB, ...job } as never, store, ['canary-secret'], until);
}
const entries = () => readdirSync(join(project, 'runs'));

describe('the model of a job', () => {
  it('becomes a run of the project', async () => {
    const archive = await packed({ ...FILES, 't2i-job.json': recordOf(FILES) });
    expect(await fetchFrom(archive)).toEqual({ status: 'finished', run: 'runs/one' });
    expect(readFileSync(join(project, 'runs/one/best/unet/config.json'), 'utf8')).toBe('{"a": 1}');
    expect(entries()).toEqual(['one']);
    expect(await fetchFrom(archive)).toMatchObject({ status: 'finished' });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'with a file that was changed',
      { ...FILES, 'run.json': '{"better": 1}', 't2i-job.json': recordOf(FILES) },
      /1 files/,
    ],
    ['with a file more', { ...FILES, more: 'x', 't2i-job.json': recordOf(FILES) }, /1 files/],
    ['with a file less', { 'run.json': '{}', 't2i-job.json': recordOf(FILES) }, /2 files/],
    ['without a record', FILES, /no t2i-job\.json/],
    ['with a record that is none', { ...FILES, 't2i-job.json': '[]' }, /no t2i-job\.json/],
    ['with a record that is no JSON', { ...FILES, 't2i-job.json': '{' }, /no t2i-job\.json/],
    ['that leads out of the folder', { '../../evil': 'x', 't2i-job.json': recordOf({}) }, /leads out of the folder/],
  ])('%s is refused, and leaves nothing', async (_, files, message) => {
    await expect(fetchFrom(await packed(files))).rejects.toMatchObject({
      code: 'DOWNLOAD_INVALID',
      message: expect.stringMatching(message),
    });
    expect(entries()).toEqual([]);
    expect(readdirSync(project)).toEqual(['runs']);
  });

  it('that is cut off or no gzip file is refused', async () => {
    const archive = await packed({ ...FILES, 't2i-job.json': recordOf(FILES) });
    for (const bytes of [archive.subarray(0, archive.length - 20), Buffer.from('nothing of the kind')])
      await expect(fetchFrom(bytes)).rejects.toMatchObject({
        ...{ code: 'DOWNLOAD_INVALID', message: expect.stringContaining('gzip'), cause: expect.any(Error) },
      });
    expect(entries()).toEqual([]);
  });

  it('with other files than were recorded is refused with each of them', async () => {
    const files = {
      ...FILES,
      'run.json': '{"better": 1}',
      more: 'x',
      't2i-job.json': recordOf({ ...FILES, less: 'y' }),
    };
    await expect(fetchFrom(await packed(files))).rejects.toMatchObject({
      issues: [
        { option: 'run.json', expected: `sha256 ${sha256('{}')}`, received: `sha256 ${sha256('{"better": 1}')}` },
        { option: 'more', expected: 'no such file', received: `sha256 ${sha256('x')}` },
        { option: 'less', expected: `sha256 ${sha256('y')}`, received: 'none' },
      ],
      hint: expect.stringMatching(/./),
    });
  });

  it.each<[string, (body: Readable, stop: AbortController) => void, object]>([
    [
      'that S3 stops sending is told, without secrets',
      (body) => body.destroy(Object.assign(new Error('reset by canary-secret'), { code: 'ECONNRESET' })),
      { code: 'NETWORK_FAILED', message: expect.not.stringContaining('canary') },
    ],
    [
      'that is no longer wanted is let go of',
      (body, stop) => {
        stop.abort(new Error('interrupted'));
        body.destroy(new Error('aborted'));
      },
      { message: 'interrupted' },
    ],
    [
      'that is none is let go of, though there is more of it',
      (body) => void body.push(Buffer.alloc(100_000, 'nothing of the kind')),
      { code: 'DOWNLOAD_INVALID' },
    ],
  ])('%s', async (_, change, expected) => {
    const archive = await packed({ ...FILES, 't2i-job.json': recordOf(FILES) });
    const stop = new AbortController();
    let reads = 0;
    const body = new Readable({
      read() {
        if (reads++ === 0) this.push(archive.subarray(0, 30));
        else if (reads === 2) change(this, stop);
      },
    });
    const fetching = fetchFrom(body, {}, stop.signal);
    await expect(fetching).rejects.toMatchObject(expected);
    expect([body.destroyed, entries()]).toEqual([true, []]);
  });

  it('that holds what it must not is let go of, though there is more of it', async () => {
    const body = new Readable({ read() {} });
    body.push(await packed({ '../../evil': 'x' }));
    await expect(fetchFrom(body)).rejects.toMatchObject({ code: 'DOWNLOAD_INVALID' });
    expect(body.destroyed).toBe(true);
  });

  it('replaces one that was fetched before, whole', async () => {
    mkdirSync(join(project, 'runs/one'), { recursive: true });
    for (const name of ['options.json', 't2i-job.json', 'old']) writeFileSync(join(project, 'runs/one', name), '{}');
    await fetchFrom(await packed({ ...FILES, 't2i-job.json': recordOf(FILES) }));
    expect(readdirSync(join(project, 'runs/one')).sort()).toEqual(['best', 'options.json', 'run.json', 't2i-job.json']);
  });

  it('does not replace a run that was trained here', async () => {
    mkdirSync(join(project, 'runs/one'), { recursive: true });
    writeFileSync(join(project, 'runs/one/options.json'), '{}');
    const archive = await packed({ ...FILES, 't2i-job.json': recordOf(FILES) });
    await expect(fetchFrom(archive)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      hint: expect.stringContaining('--run'),
    });
    expect(existsSync(join(project, 'runs/one/run.json'))).toBe(false);
  });

  it('of a job whose run is no name is not fetched', async () => {
    const archive = await packed({ ...FILES, 't2i-job.json': recordOf(FILES) });
    for (const HyperParameters of [{ t2i_run: '../evil' }, {}])
      await expect(fetchFrom(archive, { HyperParameters })).rejects.toMatchObject({ code: 'DOWNLOAD_INVALID' });
    for (const ModelArtifacts of [{}, undefined])
      await expect(fetchFrom(archive, { ModelArtifacts })).rejects.toMatchObject({ code: 'DOWNLOAD_INVALID' });
  });
});
