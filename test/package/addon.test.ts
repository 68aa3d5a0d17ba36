import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { NativeAddon } from '../../src/backends/tensorrt/native.js';
import { skipFor } from '../support/skip-for.js';

const ADDON = fileURLToPath(new URL('../../prebuilds/linux-x64/t2i.node', import.meta.url));
const noAddon = existsSync(ADDON) ? null : 'the addon that ships is missing: npm run prebuilds';
const tool = (name: string, ...args: string[]) => execFileSync(name, [...args, ADDON], { encoding: 'utf8' });

describe('the addon that ships', skipFor(noAddon), () => {
  it('is smaller than 2 MB and stripped', () => {
    expect(statSync(ADDON).size).toBeLessThan(2e6);
    expect(tool('readelf', '--section-headers', '--wide')).not.toContain('.symtab');
  });

  it('needs nothing but libc', () => {
    const needed = [...tool('readelf', '--dynamic', '--wide').matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(
      ([, name]) => name,
    );
    expect(needed).toContain('libc.so.6');
    // All of these are glibc's.
    const libc = ['libc.so.6', 'libm.so.6', 'libdl.so.2', 'librt.so.1', 'libpthread.so.0', 'ld-linux-x86-64.so.2'];
    expect(needed.filter((name) => !libc.includes(name as string))).toEqual([]);
  });

  it('runs with glibc 2.28 (RHEL 8) and newer', () => {
    const versions = [...tool('readelf', '--version-info', '--wide').matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) =>
      Number(minor),
    );
    expect(Math.max(...versions)).toBeGreaterThan(0);
    expect(Math.max(...versions)).toBeLessThanOrEqual(28);
  });

  it('shows nothing but the entry points of a module', () => {
    const symbols = tool('nm', '--dynamic', '--defined-only')
      .trim()
      .split('\n')
      .map((line) => line.split(' ').at(-1));
    expect(symbols.sort()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
  });

  it('answers without a driver, with a reason and what helps', () => {
    const { available, devices, reason, hint } = (createRequire(import.meta.url)(ADDON) as NativeAddon).devices();
    if (available) expect(devices.length).toBeGreaterThan(0);
    else expect([reason, hint]).toEqual([expect.stringMatching(/.{10}/), expect.stringMatching(/.{10}/)]);
  });

  it('carries our kernels where a CUDA compiler was there to build it', () => {
    const { kind, runtime } = (createRequire(import.meta.url)(ADDON) as NativeAddon).devices();
    expect(kind).toBe(runtime === null ? 'none' : 'cuda');
    // By the name of one of them, in its machine code.
    expect(readFileSync(ADDON).includes('step_float16')).toBe(kind === 'cuda');
  });
});
