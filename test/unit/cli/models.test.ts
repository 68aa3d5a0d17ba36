import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { engineCacheFolder } from '../../../src/backends/tensorrt/engines/cache-folder.js';
import { EngineCache } from '../../../src/backends/tensorrt/engines/engine-cache.js';
import { DownloadStatus } from '../../../src/cli/download-status.js';
import { main } from '../../../src/cli/main.js';
import { describeModel } from '../../../src/model/layout.js';
import { engineFolder, headerOf, SERIALIZED } from '../../support/engines.js';
import { CANARY_TOKEN } from '../../support/fake-hub.js';
import { fakeIo } from '../../support/fake-io.js';
import { FAULTS } from '../../support/fake-server.js';
import { at, flowers, folder, freshHub, pull, sha256, WEIGHTS } from '../hub/pulling.js';

freshHub();
afterEach(() => vi.unstubAllEnvs());

const run = async (line: string, options: Parameters<typeof fakeIo>[0] = {}) => {
  const env = { ...at.hub.env(at.home), T2I_CACHE: at.home, ...options.env };
  const io = fakeIo({ cwd: at.home, ...options, env });
  const code = await main(line.split(' '), io);
  return { code, out: io.out(), err: io.err() };
};

describe('t2i pull', () => {
  it('fetches a model and says where it is', async () => {
    const { code, out } = await run('pull tester/flowers --json');
    expect(code).toBe(0);
    const commit = flowers().head.id;
    expect(JSON.parse(out)).toMatchObject({ repo: 'tester/flowers', commit, dir: join(folder(), 'snapshots', commit) });
  });

  it('shows how far it is on a terminal, and leaves nothing of it there', async () => {
    const { err, out } = await run('pull tester/flowers', { terminal: true });
    expect(err).toMatch(/fetching tester\/flowers [\d.]+ \w+ of 294 KiB, \d+\/10 files/);
    expect(err.endsWith('\r\u001b[K')).toBe(true);
    expect(out).toMatch(/^repo\s+tester\/flowers$/m);
  });

  it('reads what is there, and mends it', async () => {
    await pull();
    expect(JSON.parse((await run('pull tester/flowers --json')).out)).toMatchObject({ fetched: 0 });
    // As long as before: only who reads it sees that it is damaged.
    const weights = join(folder(), 'blobs', sha256(WEIGHTS));
    writeFileSync(weights, Buffer.alloc(WEIGHTS.length, 'x'));
    expect(JSON.parse((await run('pull tester/flowers --json')).out)).toMatchObject({ fetched: 1 });
    expect(readFileSync(weights).equals(WEIGHTS)).toBe(true);
  });

  it.each([
    ['pull flowers', 2, /model: expected OWNER\/NAME or OWNER\/NAME@REVISION, received "flowers"/],
    ['pull tester/flowers@../x', 2, /OWNER\/NAME@REVISION/],
    ['pull tester/nothing', 5, /answered with 401[\s\S]*or it is private/],
  ])('%s ends with %i', async (line, code, message) => {
    const outcome = await run(line);
    expect(outcome).toMatchObject({ code, out: '' });
    expect(outcome.err).toMatch(message);
  });

  it('shows no token, whatever goes wrong', async () => {
    at.hub.api.fail(/\/tree\//, FAULTS.status(400));
    const { code, out, err } = await run('pull tester/flowers --json', { env: { HF_TOKEN: CANARY_TOKEN } });
    expect(code).toBe(5);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'REMOTE_REFUSED' } });
    expect(out + err).not.toContain(CANARY_TOKEN);
  });
});

describe('a command that takes a model', () => {
  it('fetches it from the Hub', async () => {
    const { code, out } = await run('inspect tester/flowers --json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ name: 'tester/flowers', nativeSize: { width: 128, height: 128 } });
  });

  it('says that it uses what was fetched before', async () => {
    await pull();
    at.hub.api.fail(/./, FAULTS.status(503), 100);
    expect((await run('inspect tester/flowers')).err).toContain('note: tester/flowers cannot be asked for');
  });
});

describe('the .env of the working folder', () => {
  const dotEnv = (text: string) => writeFileSync(join(at.home, '.env'), text);
  const tokens = () => at.hub.api.requests.map(({ headers }) => headers.authorization);

  it.each(['pull tester/flowers', 'inspect tester/flowers'])('opens what is private to %s', async (line) => {
    flowers().private = true;
    expect((await run(line)).code).not.toBe(0);
    dotEnv(`HF_TOKEN=${CANARY_TOKEN}\n`);
    expect(await run(line, { env: { HF_TOKEN: '' } })).toMatchObject({ code: 0 });
  });

  it('comes after the environment', async () => {
    dotEnv('HF_TOKEN=hf_unknownunknown\nHF_HUB_CACHE=/nowhere\n');
    const env = { HF_TOKEN: CANARY_TOKEN, HF_HUB_CACHE: join(at.home, 'hub') };
    expect(await run('pull tester/flowers', { env })).toMatchObject({ code: 0 });
    expect(new Set(tokens())).toEqual(new Set([`Bearer ${CANARY_TOKEN}`]));
  });

  it('says where the cache is', async () => {
    dotEnv(`HF_HUB_CACHE=${join(at.home, 'elsewhere')}\n`);
    expect(JSON.parse((await run('models --json', { env: { HF_HUB_CACHE: '' } })).out).cache).toBe(
      join(at.home, 'elsewhere'),
    );
  });

  it('says where the models are whose engines are looked after', async () => {
    const elsewhere = { HF_HUB_CACHE: join(at.home, 'elsewhere') };
    const { dir } = JSON.parse((await run('pull tester/flowers --json', { env: elsewhere })).out);
    vi.stubEnv('T2I_ENGINE_CACHE', engineFolder());
    const cache = new EngineCache(engineCacheFolder());
    const { name } = await describeModel(dir);
    const { path } = await cache.publish({ header: headerOf({ model: name }), serialized: SERIALIZED });
    const pruned = async () => JSON.parse((await run('engines prune --dry-run --json')).out).removed;
    expect(await pruned()).toEqual([]);
    dotEnv(`HF_HUB_CACHE=${elsewhere.HF_HUB_CACHE}\n`);
    expect(await pruned()).toMatchObject([{ file: path, reason: expect.stringContaining('built from another') }]);
  });

  it('gets no token of the user for an address of its own', async () => {
    dotEnv(`HF_ENDPOINT=${at.hub.env('').HF_ENDPOINT}\n`);
    writeFileSync(join(at.home, 'token'), CANARY_TOKEN);
    const env = { HF_ENDPOINT: '', HF_TOKEN: CANARY_TOKEN, HF_HOME: at.home };
    expect(await run('pull tester/flowers', { env })).toMatchObject({ code: 0 });
    expect(new Set(tokens())).toEqual(new Set([undefined]));
    dotEnv(`HF_ENDPOINT=${at.hub.env('').HF_ENDPOINT}\nHF_TOKEN=${CANARY_TOKEN}\n`);
    flowers().private = true;
    expect(await run('pull tester/flowers', { env: { ...env, HF_TOKEN: '' } })).toMatchObject({ code: 0 });
  });

  it('stops a command where it cannot be read, but not one that asks nothing of the Hub', async () => {
    mkdirSync(join(at.home, '.env'));
    expect((await run('pull tester/flowers')).err).toMatch(/Cannot read .*\.env/);
    expect(await run('inspect emoji-128')).toMatchObject({ code: 0 });
  });
});

describe('t2i models', () => {
  it('lists what ships, what is promoted and what was fetched', async () => {
    flowers().tags.set('v1', flowers().head.id);
    await pull();
    await pull('tester/flowers@v1');
    for (const [path, content] of Object.entries({
      'params.yaml': '{}',
      'saved_models/model_metadata.json': '{"run_name": "run_7"}',
      'saved_models/onnx_models/t2i.json': '{}',
    })) {
      mkdirSync(dirname(join(at.home, path)), { recursive: true });
      writeFileSync(join(at.home, path), content);
    }
    const { models, cache } = JSON.parse((await run('models --json')).out);
    expect(cache).toBe(join(at.home, 'hub'));
    expect(models).toMatchObject([
      { kind: 'packaged', name: 'emoji-128', revisions: [] },
      { kind: 'promoted', name: 'saved_models/onnx_models', revisions: ['run_7'], bytes: 2 },
      { kind: 'hub', name: 'tester/flowers', revisions: ['main', 'v1'] },
    ]);
    const { out } = await run('models');
    expect(out).toMatch(/^kind +model +revision +size +folder$/m);
    expect(out).toMatch(/^hub +tester\/flowers +main, v1 +294 KiB +\/.*$/m);
  });

  it('shows the commit where no name is known for it, and nothing that was promoted where nothing was exported', async () => {
    await pull();
    rmSync(join(folder(), 'refs'), { recursive: true });
    writeFileSync(join(at.home, 'params.yaml'), '{}');
    const models = async () => JSON.parse((await run('models --json')).out).models;
    expect(await models()).toMatchObject([{ kind: 'packaged' }, { kind: 'hub', revisions: [flowers().head.id] }]);
    mkdirSync(join(at.home, 'saved_models/onnx_models'), { recursive: true });
    writeFileSync(join(at.home, 'saved_models/onnx_models/t2i.json'), '{}');
    expect((await models())[1]).toMatchObject({ kind: 'promoted', revisions: [] });
  });

  it('removes none of another name, and says what it removed', async () => {
    await pull();
    const { code, err } = await run('models remove tester/nothing');
    expect([code, err]).toEqual([3, expect.stringMatching(/tester\/nothing is not in .*\nhint: .*t2i models/)]);
    const removed = await run('models remove tester/flowers');
    expect(removed).toEqual({ code: 0, out: '', err: expect.stringMatching(/^removed tester\/flowers, \d+ KiB\n$/) });
    expect((await run('models remove tester/flowers')).code).toBe(3);
  });

  it('removes one that was fetched, and no other', async () => {
    await pull();
    at.hub.add('tester/other', Object.fromEntries([...flowers().head.files].map(([path, { bytes }]) => [path, bytes])));
    await pull('tester/other');
    const { out } = await run('models remove tester/flowers --json');
    expect(JSON.parse(out)).toMatchObject({ removed: 'tester/flowers', bytes: expect.any(Number) });
    const left = JSON.parse((await run('models --json')).out).models.map(({ name }: { name: string }) => name);
    expect(left).toEqual(['emoji-128', 'tester/other']);
  });

  it.each([
    ['models remove', 2, /model: expected OWNER\/NAME/],
    ['models remove ../../home', 2, /model: expected OWNER\/NAME/],
    ['models remove tester/nothing', 3, /tester\/nothing is not in/],
    ['models list x', 2, /nothing with list/],
    ['models prune', 2, /unknown action "prune"/],
  ])('%s ends with %i', async (line, code, message) => {
    const outcome = await run(line);
    expect(outcome.code).toBe(code);
    expect(outcome.err).toMatch(message);
  });
});

describe('the status of a download', () => {
  it('says how fast it is and how long the rest takes, by the last seconds', () => {
    let now = 0;
    const io = fakeIo({ terminal: true });
    const status = new DownloadStatus(io, 'tester/flowers', () => now);
    const tell = (seconds: number, mebibytes: number) => {
      now = seconds * 1000;
      status.update({ bytes: mebibytes * 2 ** 20, totalBytes: 100 * 2 ** 20, files: 1, totalFiles: 3 });
    };
    tell(0, 0);
    expect(io.err()).toMatch(/fetching tester\/flowers 0 B of 100 MiB, 1\/3 files$/);
    for (let second = 1; second <= 10; second++) tell(second, second);
    // Ten times as fast from here on.
    for (let second = 11; second <= 16; second++) tell(second, 10 + (second - 10) * 10);
    expect(io.err()).toMatch(/70 MiB of 100 MiB, 1\/3 files, 10 MiB\/s, 3.0 s left$/);
  });
});
