import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prebuildProblem } from '../../native/tools/check-prebuilds.mjs';
import { noLinuxX64, skipFor } from '../support/skip-for.js';

describe('packing without the addon that ships', skipFor(noLinuxX64), () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 't2i-prebuilds-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  /** A module that answers as the addon does. */
  function addon(version: string, kind: string): string {
    const path = join(dir, `${version}-${kind}.cjs`);
    writeFileSync(path, `module.exports = { version: '${version}', devices: () => ({ kind: '${kind}' }) };`);
    return path;
  }

  it('is told: missing, damaged, of another version, without kernels', () => {
    const damaged = join(dir, 'damaged.node');
    writeFileSync(damaged, 'nothing that can be loaded');
    expect(prebuildProblem(join(dir, 'none.node'), '1.2.3')).toBe('is missing');
    expect(prebuildProblem(damaged, '1.2.3')).toMatch(/^cannot be loaded: /);
    expect(prebuildProblem(addon('1.2.2', 'cuda'), '1.2.3')).toBe('was built for version 1.2.2, this is 1.2.3');
    expect(prebuildProblem(addon('1.2.3', 'none'), '1.2.3')).toBe('was built without CUDA kernels');
  });

  it('is not where it is there', () => {
    expect(prebuildProblem(addon('1.2.3', 'cuda'), '1.2.3')).toBeNull();
  });
});
