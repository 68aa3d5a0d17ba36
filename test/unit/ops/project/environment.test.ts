import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { projectEnvironment } from '../../../../src/ops/project/environment.js';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-environment-'));
});
afterEach(() => rmSync(project, { recursive: true }));

describe('the environment of a project', () => {
  it('is that of the process before what .env says, and an empty value is none', async () => {
    writeFileSync(join(project, '.env'), 'A=file\nB=file # a note\nC="file"\nD=file\n');
    const env = { A: 'process', B: '', C: undefined, E: 'process' };
    expect(await projectEnvironment(project, env)).toEqual({
      A: 'process',
      B: 'file',
      C: 'file',
      D: 'file',
      E: 'process',
    });
  });

  it('is that of the process where there is no .env', async () => {
    expect(await projectEnvironment(project, { A: 'process' })).toEqual({ A: 'process' });
  });

  it('is refused where .env cannot be read, rather than without its secrets', async () => {
    mkdirSync(join(project, '.env'));
    await expect(projectEnvironment(project, {})).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining('.env'),
    });
  });
});
