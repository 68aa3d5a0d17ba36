import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hubHeaders, hubSettings } from '../../../src/hub/settings.js';

describe('the settings of the Hub', () => {
  it.each([
    [{}, join(homedir(), '.cache/huggingface/hub')],
    [{ XDG_CACHE_HOME: '/xdg' }, '/xdg/huggingface/hub'],
    [{ HF_HOME: '/home', XDG_CACHE_HOME: '/xdg' }, '/home/hub'],
    [{ HF_HUB_CACHE: '/cache', HF_HOME: '/home' }, '/cache'],
    [{ HF_HUB_CACHE: '', HF_HOME: '' }, join(homedir(), '.cache/huggingface/hub')],
  ])('put the cache of %j where the tools of Hugging Face do', (env, cache) => {
    expect(hubSettings(env).cache).toBe(cache);
  });

  it.each([
    [{}, 'https://huggingface.co'],
    [{ HF_ENDPOINT: 'https://mirror.example/hf/' }, 'https://mirror.example/hf'],
  ])('find the Hub of %j', (env, endpoint) => {
    expect(hubSettings(env).endpoint).toBe(endpoint);
  });

  it.each([
    ['1', true],
    ['ON', true],
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
});
