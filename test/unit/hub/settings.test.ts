import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hubHeaders, hubSettings, requireToken, withToken } from '../../../src/hub/settings.js';

describe('the settings of the Hub', () => {
  it.each([
    [{}, join(homedir(), '.cache/huggingface/hub')],
    [{ XDG_CACHE_HOME: '/xdg' }, '/xdg/huggingface/hub'],
    [{ HF_HOME: '/home', XDG_CACHE_HOME: '/xdg' }, '/home/hub'],
    [{ HF_HUB_CACHE: '/cache', HF_HOME: '/home' }, '/cache'],
    [{ HUGGINGFACE_HUB_CACHE: '/older', HF_HOME: '/home' }, '/older'],
    [{ HF_HUB_CACHE: '/cache', HUGGINGFACE_HUB_CACHE: '/older' }, '/cache'],
    [{ HF_HUB_CACHE: '', HF_HOME: '' }, join(homedir(), '.cache/huggingface/hub')],
  ])('put the cache of %j where the tools of Hugging Face do', (env, cache) => {
    expect(hubSettings(env).cache).toBe(cache);
  });

  it.each([
    [{}, 'https://huggingface.co'],
    [{ HF_ENDPOINT: 'https://mirror.example/hf/' }, 'https://mirror.example/hf'],
    [{ HF_ENDPOINT: 'http://127.0.0.1:8000//' }, 'http://127.0.0.1:8000'],
  ])('find the Hub of %j', (env, endpoint) => {
    expect(hubSettings(env).endpoint).toBe(endpoint);
  });

  it.each(['huggingface.co', 'ftp://hub', 'https://me@hub', 'https://hub?a=b', 'https://hub#a', 'x https://hub'])(
    'refuse the address %s',
    (address) => {
      expect(() => hubSettings({ HF_ENDPOINT: address })).toThrow(
        expect.objectContaining({
          code: 'OPTION_INVALID',
          message: 'HF_ENDPOINT: expected an address like https://huggingface.co, received another text',
        }),
      );
    },
  );

  it.each([
    ['1', true],
    ['ON', true],
    ['yes', true],
    ['11', false],
    ['none', false],
    ['off', false],
    ['true', true],
    ['0', false],
    ['', false],
  ])('take HF_HUB_OFFLINE=%s for %s', (value, offline) => {
    expect(hubSettings({ HF_HUB_OFFLINE: value }).offline).toBe(offline);
  });

  it('prefer the token of the environment, without what a copied line has around it', async () => {
    expect(await hubHeaders(hubSettings({ HF_TOKEN: ' hf_one\n', HF_TOKEN_PATH: '/dev/null' }))).toMatchObject({
      authorization: 'Bearer hf_one',
    });
    expect(await hubHeaders(hubSettings({ HF_TOKEN_PATH: '/dev/null' }))).not.toHaveProperty('authorization');
  });

  describe('read the file of a token', () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 't2i-token-'));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it('that lies in HF_HOME, or elsewhere', async () => {
      writeFileSync(join(folder, 'token'), 'hf_home\n');
      writeFileSync(join(folder, 'other'), 'hf_other');
      expect(await hubSettings({ HF_HOME: folder }).token()).toBe('hf_home');
      expect(await hubSettings({ HF_HOME: folder, HF_TOKEN_PATH: join(folder, 'other') }).token()).toBe('hf_other');
      expect(await withToken(hubSettings({ HF_HOME: folder }), 'hf_mine').token()).toBe('hf_mine');
      expect(await withToken(hubSettings({ HF_HOME: folder }), undefined).token()).toBeNull();
    });

    it('that is not there, and say where it cannot be read', async () => {
      writeFileSync(join(folder, 'file'), '');
      for (const path of ['none', 'file/token', 'file'])
        expect(await hubSettings({ HF_TOKEN_PATH: join(folder, path) }).token()).toBeNull();
      await expect(hubSettings({ HF_TOKEN_PATH: folder }).token()).rejects.toMatchObject({
        code: 'IO_FAILED',
        message: expect.stringContaining(folder),
      });
    });
  });

  it('say what publishing needs', async () => {
    const hub = (HF_TOKEN: string) => hubSettings({ HF_TOKEN, HF_TOKEN_PATH: '/dev/null', HF_ENDPOINT: 'http://hub' });
    expect(await requireToken(hub('hf_one'))).toBe('hf_one');
    await expect(requireToken(hub(''))).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      hint: expect.stringContaining('http://hub/settings/tokens'),
    });
    const error: Error = await requireToken(hub('my_hf_secret')).then(
      () => expect.fail('it was taken'),
      (caught) => caught,
    );
    expect(error).toMatchObject({ code: 'OPTION_INVALID' });
    expect(error.message).toBe('HF_TOKEN: expected a token that starts with hf_, received another text');
  });

  it.each(['hf_o ne', 'hf_one\u007f', 'hf_ö'])('refuse the token %j, and do not repeat it', async (token) => {
    const error: Error = await hubSettings({ HF_TOKEN: token })
      .token()
      .then(
        () => expect.fail('it was taken'),
        (caught) => caught,
      );
    expect(error.message).toBe('HF_TOKEN: expected a token, received a text with spaces or other characters');
  });
});
