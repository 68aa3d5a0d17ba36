#!/usr/bin/env node
/**
 * Stands in for node-gyp, the one build tool that prebuildify knows (`npm run prebuilds`): builds the addon as it ships, with our
 * kernels where T2I_CUDA_HOME names a CUDA compiler and without them elsewhere, and puts it where prebuildify looks.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const args = process.argv.slice(2);
if (args.includes('--debug') || !args.includes(`--arch=${process.arch}`)) {
  console.error(`expected a release build for ${process.arch}, received ${args.join(' ')}`);
  process.exit(2);
}
const { status } = spawnSync(process.execPath, [join(ROOT, 'native/tools/build.mjs'), 'ship'], { stdio: 'inherit' });
if (status === 0) {
  const target = join(ROOT, 'build', 'Release');
  mkdirSync(target, { recursive: true });
  copyFileSync(join(ROOT, 'build', 'ship', 'Release', 't2i.node'), join(target, 't2i.node'));
}
process.exit(status ?? 1);
