import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { HubCache } from '../../../src/hub/cache.js';
import { CANARY_TOKEN } from '../../support/fake-hub.js';
import { answer, FAULTS, type Fault } from '../../support/fake-server.js';
import {
  at,
  blobs,
  expectWhole,
  flowers,
  freshHub,
  leavePart,
  MODEL,
  OBJECT,
  pull,
  settings,
  sha256,
  WEIGHTS,
} from './pulling.js';

freshHub();

describe('what a server sends instead of a file', () => {
  const other = Buffer.alloc(WEIGHTS.length, 'evil');

  it.each([
    ['other bytes', FAULTS.bytes(other), /another hash/],
    ['more bytes', FAULTS.bytes(Buffer.concat([WEIGHTS, other])), /expected 300000 bytes, offered 600000/],
    ['bytes without end', FAULTS.endless, /received more/],
    ['a page', FAULTS.html, /expected 300000 bytes, offered 43/],
    ['other bytes, packed', gzipped(other), /hash|more/],
  ])('%s, is refused and not kept', async (_, fault, message) => {
    at.hub.objects.fail(OBJECT, fault, 100);
    await expect(pull()).rejects.toMatchObject({
      code: 'DOWNLOAD_INVALID',
      message: expect.stringMatching(message),
    });
    expect(blobs().filter((name) => name.startsWith(sha256(WEIGHTS)))).toEqual([]);
    expect(await new HubCache(settings().cache).commitOf('tester/flowers', 'main')).toBe(null);
  });

  it('another small file, is refused as well', async () => {
    const config = Buffer.from(String(MODEL['unet/config.json']).replace('16', '17'));
    at.hub.api.fail(/resolve.*unet\/config\.json/, FAULTS.bytes(config));
    await expect(pull()).rejects.toMatchObject({ code: 'DOWNLOAD_INVALID' });
  });

  it('another range, is refused', async () => {
    leavePart(WEIGHTS.subarray(0, 1000));
    at.hub.objects.fail(OBJECT, (response) =>
      answer(response, 206, WEIGHTS.subarray(5, 299_005), { 'content-range': 'bytes 5-299004/300000' }),
    );
    await expect(pull()).rejects.toMatchObject({
      code: 'DOWNLOAD_INVALID',
      message: expect.stringMatching(/bytes from 1000, offered those from 5/),
    });
  });
});

describe('the token', () => {
  const env = { HF_TOKEN: CANARY_TOKEN };

  it('opens what is private, and never leaves the Hub', async () => {
    flowers().private = true;
    await expect(pull()).rejects.toMatchObject({ code: 'ACCESS_DENIED', hint: expect.stringMatching(/private/) });
    await expectWhole((await pull('tester/flowers', { hub: settings(env) })).dir);
    expect(at.hub.objects.requests.length).toBeGreaterThan(3);
    expect(at.hub.objects.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
    expect(at.hub.api.requests.at(-1)?.headers.authorization).toBe(`Bearer ${CANARY_TOKEN}`);
  });

  it('does not follow a list of files to another server', async () => {
    at.hub.api.fail(/\/tree\//, (response) =>
      answer(response, 200, [], { link: `<${at.hub.objects.url}/api/next>; rel="next"` }),
    );
    await expect(pull('tester/flowers', { hub: settings(env) })).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
    expect(at.hub.objects.requests).toEqual([]);
  });

  it('is in no file of the cache and in no error', async () => {
    at.hub.api.fail(/\/revision\//, (response, { headers }) =>
      answer(response, 403, { error: `you are ${headers.authorization}` }),
    );
    const error = await pull('tester/flowers', { hub: settings(env) }).catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: 'ACCESS_DENIED', hint: expect.stringMatching(/terms/) });
    expect(JSON.stringify(error) + String(error)).not.toContain(CANARY_TOKEN);
    await pull('tester/flowers', { hub: settings(env) });
    const files = readdirSync(at.home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const file of files)
      expect(readFileSync(join(file.parentPath, file.name), 'latin1')).not.toContain(CANARY_TOKEN);
  });

  it('is read from the file that the tools of Hugging Face write', async () => {
    flowers().private = true;
    writeFileSync(join(at.home, 'token'), `${CANARY_TOKEN}\n`);
    await pull();
  });

  it('that is gated out is told how to get in', async () => {
    flowers().gated = true;
    await expect(pull()).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      hint: `Accept the terms of the repository at ${at.hub.url}/tester/flowers, or use a token that may.`,
    });
  });
});

describe('a repository that is refused before anything is written', () => {
  const untouched = () => expect(readdirSync(at.home)).toEqual([]);

  it.each(['../x', 'unet/../../x', '/etc/x', 'C:/x', 'a\\..\\x', 'unet//x', 'nul', 'unet/con.json', 'a\nb', 'x.'])(
    'for the name %j',
    async (name) => {
      at.hub.add('tester/flowers', { [name]: 'x' });
      await expect(pull()).rejects.toMatchObject({
        code: 'DOWNLOAD_INVALID',
        message: expect.stringMatching(/refused/),
      });
      untouched();
    },
  );

  it.each([
    ['too many bytes', { size: 2 ** 40, lfs: { oid: 'a'.repeat(64), size: 2 ** 40 } }, 1],
    ['too many files', { size: 1 }, 300],
  ])('for %s', async (_, entry, count) => {
    const all = Array.from({ length: count }, (__, at) => ({
      type: 'file',
      path: `unet/w${at}`,
      oid: 'a'.repeat(40),
      ...entry,
    }));
    const graphs = ['text_encoder', 'unet', 'vae_decoder'].map((network) => ({
      type: 'file',
      path: `${network}/model.onnx`,
      oid: 'a'.repeat(40),
      size: 1,
    }));
    at.hub.api.fail(/\/tree\//, (response) => answer(response, 200, [...graphs, ...all]));
    await expect(pull()).rejects.toMatchObject({
      code: 'DOWNLOAD_INVALID',
      message: expect.stringMatching(/expected at most/),
    });
    untouched();
  });

  it.each([
    ['a commit that is none', /\/revision\//, { sha: '../../x' }],
    ['a hash that is none', /\/tree\//, [{ type: 'file', path: 'unet/model.onnx', oid: '../x', size: 1 }]],
    ['a list that is none', /\/tree\//, { files: [] }],
  ])('for %s', async (_, where, body) => {
    at.hub.api.fail(where, (response) => answer(response, 200, body));
    await expect(pull()).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
    untouched();
  });

  it('for a list of files without end', async () => {
    const { url } = at.hub;
    at.hub.api.fail(
      /\/tree\//,
      (response) => answer(response, 200, [], { link: `<${url}/api/models/tester/flowers/tree/main?x>; rel="next"` }),
      1000,
    );
    await expect(pull()).rejects.toMatchObject({
      code: 'DOWNLOAD_INVALID',
      message: expect.stringMatching(/without end/),
    });
    untouched();
  });

  it('for weights of PyTorch alone, with how to export them', async () => {
    at.hub.add('tester/torch', { 'model_index.json': '{}', 'unet/diffusion_pytorch_model.safetensors': 'x' });
    await expect(pull('tester/torch')).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(/it has weights of PyTorch/),
      hint: expect.stringMatching(/optimum-cli export onnx --model tester\/torch/),
    });
    untouched();
  });

  it('for another kind of model, before its weights are fetched', async () => {
    at.hub.add('tester/flowers', { 'model_index.json': JSON.stringify({ _class_name: 'StableDiffusionXLPipeline' }) });
    await expect(pull()).rejects.toMatchObject({ code: 'MODEL_INVALID', message: expect.stringMatching(/SDXL/) });
    expect(at.hub.objects.requests).toEqual([]);
  });
});

function gzipped(content: Buffer): Fault {
  return (response) => answer(response, 200, gzipSync(content), { 'content-encoding': 'gzip' });
}
