import { mkdirSync, readdirSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { findModel } from '../../../src/hub/find-model.js';
import { describeModel } from '../../../src/model/layout.js';
import { resolveModel } from '../../../src/model/resolve.js';
import { FAULTS } from '../../support/fake-server.js';
import { at, flowers, folder, freshHub, pull, settings } from './pulling.js';

freshHub();
afterEach(() => vi.restoreAllMocks());

const find = (name?: string, env: Record<string, string> = {}, onNote?: (message: string) => void) =>
  findModel(name, { hub: async () => settings(env), onNote });
const snapshot = (commit: string) => join(folder(), 'snapshots', commit);

describe('findModel', () => {
  it('finds what ships and what is in a folder without asking the Hub', async () => {
    expect(await find()).toBe(await resolveModel());
    expect(await find(at.home)).toBe(at.home);
    expect(at.hub.api.requests).toEqual([]);
  });

  it('fetches OWNER/NAME, which is then called so', async () => {
    const dir = await find('tester/flowers');
    expect(dir).toBe(snapshot(flowers().head.id));
    expect((await describeModel(dir)).name).toBe('tester/flowers');
  });

  it('asks what a branch means now each time, and for a commit that is there never', async () => {
    const first = flowers().head.id;
    await find('tester/flowers');
    at.hub.add('tester/flowers', { 'unet/model.weights': 'others' });
    expect(await find('tester/flowers')).toBe(snapshot(flowers().head.id));
    const before = at.hub.api.requests.length;
    expect(await find(`tester/flowers@${first}`)).toBe(snapshot(first));
    expect(at.hub.api.requests.length).toBe(before);
  });

  it('uses what was fetched before where the Hub is down, and says so', async () => {
    const { dir } = await pull();
    at.hub.api.fail(/./, FAULTS.status(503), 100);
    const notes: string[] = [];
    expect(await find('tester/flowers', {}, (message) => notes.push(message))).toBe(dir);
    expect(notes).toEqual([expect.stringContaining(`what was fetched before is used (${flowers().head.id})`)]);
  });

  it('uses it without a listener, too', async () => {
    const { dir } = await pull();
    at.hub.api.fail(/./, FAULTS.status(503), 100);
    expect(await find('tester/flowers')).toBe(dir);
  });

  it.each([
    ['is refused', FAULTS.status(403), 'ACCESS_DENIED'],
    ['is something else', FAULTS.html, 'REMOTE_REFUSED'],
  ])('uses nothing in the place of what %s', async (_, fault, code) => {
    await pull();
    at.hub.api.fail(/./, fault, 100);
    const failed = find('tester/flowers', { HF_TOKEN: 'hf_valid' }, (message) => expect.fail(message));
    await expect(failed).rejects.toMatchObject({ code });
  });

  it('takes nothing that is no answer for one that there is no such model', async () => {
    at.hub.api.fail(/./, FAULTS.html, 100);
    await expect(find('tester/flowers')).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  });

  it('asks less often where it can do without the answer', async () => {
    at.hub.api.fail(/./, FAULTS.status(503), 100);
    await expect(find('tester/flowers')).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    expect(at.hub.api.requests).toHaveLength(5);
    at.hub.api.stopFailing();
    await pull();
    const before = at.hub.api.requests.length;
    at.hub.api.fail(/./, FAULTS.status(503), 100);
    await find('tester/flowers');
    expect(at.hub.api.requests.length - before).toBe(2);
  });

  it('takes what is refused to strangers for what is not there, and tells those with a token so', async () => {
    at.hub.api.fail(/./, FAULTS.status(401), 100);
    await expect(find('tester/flowers')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      hint: expect.stringContaining('or it is private'),
      cause: { code: 'ACCESS_DENIED' },
    });
    await expect(find('tester/flowers', { HF_TOKEN: 'hf_valid' })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      hint: expect.stringContaining('token that is valid'),
    });
  });

  it.each([
    ['a repository whose terms nobody accepted', () => at.hub.api.fail(/./, FAULTS.status(403), 100)],
    ['a file that its store does not give', () => at.hub.objects.fail(/./, FAULTS.status(403), 100)],
  ])('says of %s that it is refused, not that there is none', async (_, refuse) => {
    refuse();
    await expect(find('tester/flowers')).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringMatching(/was answered with 403/),
      hint: expect.stringMatching(/Accept the terms/),
    });
  });

  it('does not use a part of a model in its place', async () => {
    const { dir } = await pull();
    rmSync(join(dir, 'unet/model.onnx'));
    at.hub.api.fail(/./, FAULTS.status(503), 100);
    await expect(find('tester/flowers')).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
  });

  it('says of a path that looks like a name where it was looked for, too', async () => {
    at.hub.api.fail(/./, FAULTS.status(503), 100);
    await expect(find('saved_models/onnx_models')).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
      message: expect.stringMatching(/^No model "saved_models\/onnx_models": tried ".*"\. Nor can the Hub be asked: /),
      hint: expect.stringContaining('Where a folder is meant, check its path.'),
    });
  });

  it.each(['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'])('asks nothing of the network with %s', async (name) => {
    const env = { [name]: '1' };
    await expect(find('tester/flowers', env)).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
      message: expect.stringMatching(/HF_HUB_OFFLINE/),
    });
    const { dir } = await pull();
    const before = at.hub.api.requests.length;
    expect(await find('tester/flowers', env, (message) => expect.fail(message))).toBe(dir);
    expect(at.hub.api.requests.length).toBe(before);
  });

  it('takes what lies in the store that newer Python tools share between repositories', async () => {
    const { dir } = await pull();
    const [blobs, store] = [join(folder(), 'blobs'), join(at.home, 'hub/blobs/ab')];
    mkdirSync(store, { recursive: true });
    for (const name of readdirSync(blobs)) {
      renameSync(join(blobs, name), join(store, name));
      symlinkSync(join('../../blobs/ab', name), join(blobs, name));
    }
    expect(await find('tester/flowers', { HF_HUB_OFFLINE: '1' })).toBe(dir);
    await describeModel(dir);
    // onnxruntime follows the links of a graph and of its weights, and both must end in one folder.
    for (const name of readdirSync(blobs)) expect(realpathSync(join(blobs, name))).toBe(join(blobs, name));
  });

  it('does not take a blob that leads elsewhere for one of that store', async () => {
    const { dir } = await pull();
    const blob = realpathSync(join(dir, 'unet/config.json'));
    renameSync(blob, join(at.home, 'elsewhere'));
    symlinkSync(join(at.home, 'elsewhere'), blob);
    await find('tester/flowers', { HF_HUB_OFFLINE: '1' });
    await expect(describeModel(dir)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it.each(['tester/nothing', 'tester/flowers@v9'])('says where %s was looked for', async (name) => {
    const failed = find(name);
    await expect(failed).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining(`Nor is there ${name.includes('@') ? name : `${name}@main`} at ${at.hub.url}.`),
    });
    await expect(failed).rejects.toMatchObject({ message: expect.stringContaining(`No model "${name}": tried`) });
  });

  it.each([
    './tester/flowers',
    '/tester/flowers',
    'tester/flowers/x',
    'test/flowers',
    'tester\\flowers',
    'a--b/c',
    '../flowers',
    'x@y',
  ])('does not ask the Hub for %j', async (name) => {
    await expect(find(name)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    expect(at.hub.api.requests).toEqual([]);
  });

  it('prefers a folder of that name', async () => {
    const dir = join(at.home, 'tester/flowers');
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'x'), '');
    vi.spyOn(process, 'cwd').mockReturnValue(dirname(dirname(dir)));
    expect(await find('tester/flowers')).toBe(dir);
  });

  it.each([
    ['a Hub that is no address', { HF_ENDPOINT: 'huggingface.co' }],
    ['a Hub with a password', { HF_ENDPOINT: 'https://me:secret@hub.example' }],
    ['a Hub with a password alone', { HF_ENDPOINT: 'https://:secret@hub.example' }],
    ['a Hub with a blank behind it', { HF_ENDPOINT: 'https://hub.example/secret ' }],
    ['a token with a line break in it', { HF_TOKEN: 'hf_one\nhf_two' }],
  ])('refuses %s, and does not repeat it', async (_, env) => {
    const error: Error = await find('tester/flowers', env).then(
      () => new Error('found'),
      (caught) => caught,
    );
    expect(error).toMatchObject({ code: 'OPTION_INVALID' });
    expect(error.message).not.toMatch(/secret|hf_/);
  });
});
