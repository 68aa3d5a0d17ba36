import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { FakeHub } from '../support/fake-hub.js';
import { startLocalService } from '../support/local-sagemaker.js';
import { OPS, startMoto } from '../support/moto.js';
import { noLinux, skipFor } from '../support/skip-for.js';
import { SMALLEST } from '../unit/model/model-dir.js';
import { writeRun } from '../unit/ops/promotion/tiny-runs.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BUG = /bug|\n {4}at /;
const KIB = 1024;
const weights = (bytes: number, text: string) => text.repeat(bytes / text.length);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-full-'));
  mkdirSync(join(folder, 'small'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs a line of shell with the program as $T2I in a folder whose `small` is a file system of its own, which the line alone sees. */
async function full(options: string, script: string, more: Readonly<Record<string, string>> = {}) {
  const env = { ...process.env, ...more, T2I: join(ROOT, 'bin/t2i.mjs') };
  const line = `mount -t tmpfs -o ${options} t2i small && { ${script}; }`;
  return promisify(execFile)('unshare', ['--mount', 'sh', '-c', line], { cwd: folder, env }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code: code as number, stdout: stdout as string, stderr: stderr as string }),
  );
}

describe('on a full disk', skipFor(noLinux), () => {
  beforeEach(async ({ skip }) => {
    skip((await full('size=8k', 'true')).code !== 0, 'mounting a small file system takes root');
  });

  describe('a model of the Hub', () => {
    let hub: FakeHub;
    beforeEach(async () => {
      hub = await FakeHub.start();
      hub.add('tester/flowers', { ...SMALLEST, 'unet/model.weights': Buffer.alloc(300 * KIB, 'weights ') });
    });
    afterEach(() => hub.close());
    const pull = (options: string, after = 'ls -RA small/hub/models*') =>
      full(options, `$T2I pull tester/flowers; status=$?; ${after}; exit $status`, hub.env(join(folder, 'small')));

    it('is refused before anything of it is fetched, where it is larger than what is free', async () => {
      const { code, stderr } = await pull('size=200k');
      expect(code).toBe(1);
      expect(stderr).toMatch(/^error: .*small\/hub has \d+ bytes free, and tester\/flowers needs \d+ more\nhint: /);
      expect(stderr).not.toMatch(BUG);
      expect(hub.objects.requests).toEqual([]);
    });

    it('is told where it fills up meanwhile, and is no model until it is whole', async () => {
      // A disk may lack room for files where it has room for bytes.
      const { code, stderr, stdout } = await pull('size=1m,nr_inodes=14');
      expect(code).toBe(1);
      expect(stderr).toMatch(/^error: Cannot .*small\/hub.*ENOSPC/);
      expect(stderr).not.toMatch(BUG);
      expect(stdout).not.toMatch(/refs|model\.onnx/);
    });
  });

  it('the promoted model stays, and the next promotion goes through', async () => {
    const project = join(folder, 'project');
    mkdirSync(project);
    writeFileSync(join(project, 'params.yaml'), '');
    writeRun(project, 'first', 0.5, {}, weights(100 * KIB, 'one '));
    cpSync(project, join(folder, 'before'), { recursive: true });
    writeRun(project, 'second', 0.4, {}, weights(200 * KIB, 'two '));
    const { code, stdout, stderr } = await full(
      'size=512k',
      `cp -r before small/project && cd small/project && $T2I promote && cp -r ../../project/runs/second runs && {
         $T2I promote; status=$?; ls -A promotions; cmp runs/first/best/unet/model.safetensors saved_models/diffuser/unet/model.safetensors &&
         grep -q '"first"' saved_models/model_metadata.json && mount -o remount,size=2m .. && $T2I promote; exit $status; }`,
    );
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: Cannot copy .*ENOSPC.*\nhint: /)]);
    expect(stderr).not.toMatch(BUG);
    expect(stdout).toBe(
      'promoted first, loss 0.5: it is the first\nhistory.jsonl\npromoted second, loss 0.4: better than 0.5\n',
    );
  });

  it('a model that was trained elsewhere is told, and leaves nothing', skipFor(OPS.lack), async () => {
    const moto = await startMoto();
    const local = await startLocalService(moto);
    const project = join(folder, 'project');
    mkdirSync(join(project, 'data/raw/dataset/captions'), { recursive: true });
    writeFileSync(join(project, 'data/raw/dataset/captions/a.txt'), 'a red flower');
    writeFileSync(join(project, 'entry.sh'), 'cd "$T2I_ML_ROOT"; head -c 1000000 /dev/urandom > model/weights');
    const estimator = { role: 'arn:aws:iam::123456789012:role/trainer', source_dir: '.', entry_point: 'entry.sh' };
    const params = { data: { remote: 's3://flowers/v1' }, pytorch_estimator: { ...estimator, instance_count: 1 } };
    writeFileSync(join(project, 'params.yaml'), stringify(params));
    try {
      await moto.makeBucket('flowers');
      const { code, stderr, stdout } = await full(
        'size=512k',
        `cp -r project/. small && cd small && $T2I data push >&2 && $T2I train --on sagemaker; status=$?; ls -A runs; exit $status`,
        local.env,
      );
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: .*the disk is full.*\(ENOSPC\)\nhint: /m)]);
      expect(stderr).not.toMatch(BUG);
      expect(stdout).toBe('');
    } finally {
      await local.close();
      await moto.close();
    }
  });
});
