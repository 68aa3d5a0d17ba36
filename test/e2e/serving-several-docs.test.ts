import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { GetBucketLifecycleConfigurationCommand, PutBucketLifecycleConfigurationCommand } from '@aws-sdk/client-s3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { decodeImage } from '../../src/image/decode.js';
import { codeBlocks } from '../support/markdown.js';
import { OPS, startMoto } from '../support/moto.js';
import { startRedis } from '../support/redis.js';
import { startServe, startWorker } from '../support/serve-process.js';
import { noCommand, noPosix, skipFor } from '../support/skip-for.js';

const run = promisify(execFile);
const PAGE = readFileSync(fileURLToPath(new URL('../../docs/serving-several.md', import.meta.url)), 'utf8');

/** The blocks that send requests, each a script whose lines go together. */
const scripts = codeBlocks(PAGE, 'sh').filter((block) => /\bcurl\b/.test(block));
const lacks = skipFor(noPosix, noCommand('redis-server'), noCommand('curl'), OPS.lack);

describe('docs/serving-several.md', lacks, () => {
  it('shows requests to two servers that work, and a rule that S3 takes', { timeout: 300_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 't2i-several-docs-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const [redis, moto] = [await startRedis(), await startMoto()];
    onTestFinished(() => moto.close());
    await moto.makeBucket('pictures');
    const flags = ['--redis', redis.url, '--no-worker', '--image-store', 's3://pictures/served'];
    const [one, two] = [await startServe(flags, moto.env), await startServe(flags, moto.env)];
    await startWorker(['--redis', redis.url]);
    expect(scripts).toHaveLength(2);
    for (const script of scripts) {
      const env = { ...process.env, ONE: one.url, TWO: two.url };
      await run('bash', ['-e', '-o', 'pipefail', '-c', script], { cwd: folder, env, maxBuffer: 64 << 20 });
    }
    expect(await decodeImage(new Uint8Array(readFileSync(join(folder, 'apple.png'))))).toMatchObject({ width: 64 });
    const [rule = ''] = codeBlocks(PAGE.replaceAll(/^ {2}/gm, ''), 'json');
    const Bucket = 'pictures';
    await moto.s3.send(
      new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: JSON.parse(rule) }),
    );
    const { Rules } = await moto.s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    expect(Rules).toMatchObject([{ Status: 'Enabled', Filter: { Prefix: 'served/' }, Expiration: { Days: 1 } }]);
  });
});
