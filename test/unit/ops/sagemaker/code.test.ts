import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { untar } from '../../../../src/ops/archive/untar.js';
import { PARAMS } from '../../../../src/ops/params/schema.js';
import { codeAddress, packCode, sha256Of } from '../../../../src/ops/sagemaker/code.js';
import { toolkitCommand } from '../../../../src/ops/sagemaker/local/toolkit-command.js';

let project: string;
const { signal } = new AbortController();

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-code-'));
});
afterEach(() => rmSync(project, { recursive: true }));

const pack = (estimator: object, secrets: string[] = []) =>
  packCode(project, PARAMS.parse({ pytorch_estimator: estimator }), secrets, signal);
const write = (path: string) => {
  mkdirSync(join(project, path, '..'), { recursive: true });
  writeFileSync(join(project, path), path);
};

async function namesIn(archive: Buffer): Promise<string[]> {
  const folder = join(project, 'unpacked');
  const files = await untar(Readable.from([archive]), folder, 'code', { files: 1000, bytes: 2 ** 30 });
  return Object.keys(files);
}

describe('the code of a training', () => {
  it('is the trainer of this package, without its tests, and what starts it', async () => {
    const { archive, sha256, entry } = await pack({});
    expect(sha256).toBe(sha256Of(archive));
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(entry.toString()).toMatch(/^#!.*sh\n/);
    const names = await namesIn(archive);
    expect(names).toEqual(expect.arrayContaining(['trainer/train.py', 'trainer/sagemaker/job.py', 'params.json']));
    expect(names.filter((name) => /tests\/|__pycache__/.test(name))).toEqual([]);
  });

  it('may be started by another script of the trainer', async () => {
    expect((await pack({ entry_point: 'sagemaker/job.py' })).entry.toString()).toContain('import');
  });

  it("is the project's own where that is set, without what no container needs or may see", async () => {
    for (const path of ['start.sh', 'sm_entry.sh', 'lib/model.py', 'tests.py', 'latest/x']) write(`own/${path}`);
    for (const path of [
      '.env',
      '.git/config',
      'lib/__pycache__/a.pyc',
      'lib/b.pyc',
      'tests/t.py',
      'mutants/m.py',
      'lib/.key',
    ])
      write(`own/${path}`);
    const { archive, entry } = await pack({ source_dir: 'own', entry_point: 'start.sh' });
    expect(entry.toString()).toBe('own/start.sh');
    expect(await namesIn(archive)).toEqual([
      ...['trainer/latest/x', 'trainer/lib/model.py', 'trainer/sm_entry.sh', 'trainer/start.sh', 'trainer/tests.py'],
      'params.json',
    ]);
    // The name of the trainer's own script is nothing special there.
    expect((await pack({ source_dir: 'own' })).entry.toString()).toBe('own/sm_entry.sh');
  });

  it('tells the files that hold a secret of this machine, of those that are sent', async () => {
    for (const path of ['start.sh', 'b/one.py', 'a.bin', 'clean.py', '.env']) write(`own/${path}`);
    for (const path of ['start.sh', 'b/one.py', '.env'])
      writeFileSync(join(project, 'own', path), 'KEY = "s3cret-value"');
    writeFileSync(join(project, 'own', 'a.bin'), Buffer.from([0xff, ...Buffer.from('other-secret'), 0]));
    const own = { source_dir: 'own', entry_point: 'start.sh' };
    expect((await pack(own, ['s3cret-value', 'other-secret'])).leaking).toEqual(['a.bin', 'b/one.py', 'start.sh']);
    expect((await pack(own, [])).leaking).toEqual([]);
    // Where it starts is sent even if it is none of the code.
    expect((await pack({ source_dir: 'own', entry_point: '.env' }, ['s3cret-value'])).leaking).toContain('.env');
  });

  it("is started on this machine by what stands for AWS's toolkit", () => {
    const [python, script] = toolkitCommand('/usr/bin/python3');
    expect([python, existsSync(`${script}`)]).toEqual(['/usr/bin/python3', true]);
  });

  it.each([
    [{ source_dir: 'none' }, 'source_dir', '"none", which is not there'],
    [{ source_dir: 'own/start.sh' }, 'source_dir', '"own/start.sh", which is not there'],
    [{ source_dir: 'own', entry_point: 'none.sh' }, 'entry_point', '"none.sh", which is not there'],
    [{ source_dir: 'own', entry_point: 'lib' }, 'entry_point', '"lib", which is not there'],
    [{ entry_point: 'none.sh' }, 'entry_point', '"none.sh", which is not there'],
  ])('that is not there is a mistake of its option: %j', async (estimator, option, received) => {
    for (const path of ['start.sh', 'lib/a.py']) write(`own/${path}`);
    const issue = { option: `pytorch_estimator.${option}`, received };
    await expect(pack(estimator)).rejects.toMatchObject({ code: 'OPTION_INVALID', issues: [issue] });
  });

  it('that cannot be read is told as it is, with the file', async () => {
    symlinkSync('loop', join(project, 'loop'));
    await expect(pack({ source_dir: 'loop' })).rejects.toMatchObject({ code: 'IO_FAILED' });
    for (const path of ['own/start.sh', 'own/data.bin']) write(path);
    // More than Node reads at once.
    truncateSync(join(project, 'own/data.bin'), 2 ** 31 + 1);
    await expect(pack({ source_dir: 'own', entry_point: 'start.sh' })).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining('own/data.bin'),
    });
  });

  it('lies in a place that tells it and its entry point', () => {
    const place = (text: string, entry: string) =>
      codeAddress(
        { bucket: 'b', key: 'v1' },
        { archive: Buffer.from(text), sha256: sha256Of(Buffer.from(text)), entry: Buffer.from(entry), leaking: [] },
      );
    const { bucket, key } = place('a', 'b');
    expect([bucket, key]).toEqual(['b', expect.stringMatching(/^v1\/code\/[0-9a-f]{32}$/)]);
    expect(place('a', 'b')).toEqual({ bucket, key });
    expect(new Set([place('a', 'b'), place('a', 'c'), place('b', 'b')].map((each) => each.key)).size).toBe(3);
  });
});
