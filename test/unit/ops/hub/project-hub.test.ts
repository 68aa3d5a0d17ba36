import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { projectHub } from '../../../../src/ops/hub/project-hub.js';
import { write } from './tiny-promoted.js';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-project-hub-'));
});
afterEach(() => rmSync(project, { recursive: true }));

const THERE = 'https://hub.example';
const HUGGING_FACE = 'https://huggingface.co';
const OURS = 'hf_ofThePersonWhoRunsThis';
const THEIRS = 'hf_ofTheFolder';

describe('the Hub of a project', () => {
  it.each([
    ['no file at all', null, { HF_TOKEN: OURS }, HUGGING_FACE, OURS],
    ['an address in .env, which gets nobody’s token', `HF_ENDPOINT=${THERE}`, { HF_TOKEN: OURS }, THERE, null],
    [
      'an address in .env with the token beside it',
      `HF_ENDPOINT=${THERE}\nHF_TOKEN=${THEIRS}`,
      { HF_TOKEN: OURS },
      THERE,
      THEIRS,
    ],
    ['a token in .env alone', `HF_TOKEN=${THEIRS}`, {}, HUGGING_FACE, THEIRS],
    ['a token in both', `HF_TOKEN=${THEIRS}`, { HF_TOKEN: OURS }, HUGGING_FACE, OURS],
    ['an address in both', 'HF_ENDPOINT=https://other.example', { HF_ENDPOINT: THERE, HF_TOKEN: OURS }, THERE, OURS],
    ['an empty address', `HF_ENDPOINT=${THERE}`, { HF_ENDPOINT: '', HF_TOKEN: OURS }, THERE, null],
  ])('with %s', async (_, file, env, endpoint, token) => {
    write(project, { '.env': file });
    const hub = await projectHub(project, { HF_HOME: project, ...env });
    expect([hub.endpoint, await hub.token()]).toEqual([endpoint, token]);
  });

  it('gives an address of .env no token that somebody logged in with', async () => {
    write(project, { '.env': `HF_ENDPOINT=${THERE}`, token: OURS });
    expect(await (await projectHub(project, { HF_HOME: project })).token()).toBe(null);
    expect(await (await projectHub(project, { HF_HOME: project, HF_ENDPOINT: THERE })).token()).toBe(OURS);
  });
});
