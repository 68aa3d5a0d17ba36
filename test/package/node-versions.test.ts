import { execFileSync } from 'node:child_process';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { describeModel } from '../../src/model/layout.js';
import { noBuild } from '../support/native.js';
import { NODE_VERSIONS, nodeBinary, nodeProblem } from '../support/node-versions.js';
import { type SimTensorrt, simTensorrt } from '../support/sim-tensorrt.js';
import { noLinuxX64, skipFor } from '../support/skip-for.js';
import { InstalledPackage } from './installed-package.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** One in float32, one in fp16, whose tensors are of another type in newer versions of Node. */
const MODELS = ['tiny', 'tiny-16ch'].map((name) => join(ROOT, 'test/fixtures', name));

/** What a user's script does: loads the package, draws images on the CPU, and asks the addon for devices. */
const SCRIPT = `
import { Pipeline } from '@t2i/sdk';
import { loadAddon } from './node_modules/@t2i/sdk/dist/backends/tensorrt/addon.js';
const report = { node: process.version, pixels: [] };
for (const model of ${JSON.stringify(MODELS)}) {
  const t2i = await Pipeline.load({ model });
  const { images } = await t2i.generate({ prompt: 'a red apple', seed: 7, steps: 2 });
  await t2i.close();
  report.png = Buffer.from(await images[0].toBuffer()).subarray(1, 4).toString();
  report.pixels.push(images[0].receipt.rgbSha256);
}
try {
  report.devices = loadAddon().addon.devices();
} catch (error) {
  report.code = error.code;
  report.hint = error.hint;
}
console.log(JSON.stringify(report));
`;

/**
 * Two jobs at once on a GPU, in this process and in one of its own. Their noise is drawn by a thread into memory that it shares with the
 * addon, which every Node must let it read.
 */
const GPU_SCRIPT = `
import { Pipeline } from '@t2i/sdk';
const report = { node: process.version, images: [] };
for (const isolation of ['none', 'process']) {
  const t2i = await Pipeline.load({ model: ${JSON.stringify(MODELS[0])}, backend: 'tensorrt', isolation });
  const draw = (seed) => t2i.generate({ prompt: 'a red apple', seed, steps: 400, sampler: 'euler-a' });
  for (const { images } of await Promise.all([7, 8].map(draw))) {
    const { rgbSha256, noiseSha256 } = images[0].receipt;
    report.images.push({ rgbSha256, noiseSha256 });
  }
  await t2i.close();
}
console.log(JSON.stringify(report));
`;

const noAddon = existsSync(join(ROOT, 'prebuilds/linux-x64/t2i.node'))
  ? null
  : 'the addon that ships is missing: npm run prebuilds';
/** What it was before this process went to the simulated device. */
const USER_ENV = { ...process.env, T2I_ADDON: '' };
let installed: InstalledPackage;
let here: { readonly pixels: readonly string[] };
let sim: SimTensorrt | null;
let hereOnGpu: { readonly images: readonly object[] };

beforeAll(async () => {
  installed = InstalledPackage.install();
  writeFileSync(join(installed.folder, 'user.mjs'), SCRIPT);
  writeFileSync(join(installed.folder, 'gpu.mjs'), GPU_SCRIPT);
  here = run(process.execPath);
  sim = simTensorrt(10);
  if (sim === null) return;
  sim.use();
  await sim.build(await describeModel(MODELS[0] as string));
  hereOnGpu = runOnGpu(process.execPath);
}, 300_000);

afterAll(() => {
  installed?.remove();
  sim?.cleanUp();
});

function run(node: string, script = 'user.mjs', env: NodeJS.ProcessEnv = USER_ENV) {
  return JSON.parse(execFileSync(node, [script], { cwd: installed.folder, env, encoding: 'utf8' }));
}

/** On the simulated device, which {@link SimTensorrt.use} names in the environment. */
const runOnGpu = (node: string) => run(node, 'gpu.mjs', process.env);

/** Binaries are fetched in the tests alone, where they are wanted. */
function skipProblem(skip: TestContext['skip'], version: string): void {
  const problem = nodeProblem(version);
  skip(problem !== null, problem ?? '');
}

describe.each(NODE_VERSIONS)('on Node %s the installed package', skipFor(noLinuxX64), (version) => {
  it('draws an image and loads the addon, which says what there is to run on', {
    ...skipFor(noAddon),
    timeout: 120_000,
  }, ({ skip }) => {
    skipProblem(skip, version);
    const { node, png, pixels, devices } = run(nodeBinary(version));
    expect(node).toBe(`v${version}`);
    expect(png).toBe('PNG');
    expect(pixels).toEqual(here.pixels);
    expect(devices.kind).toMatch(/^(cuda|none)$/);
    if (!devices.available)
      expect([devices.reason, devices.hint]).toEqual([expect.stringMatching(/.{10}/), expect.stringMatching(/.{10}/)]);
  });

  it(
    'draws on a simulated GPU the images of every other Node, with noise of a thread',
    skipFor(noBuild('sim')),
    ({ skip }) => {
      skipProblem(skip, version);
      const { node, images } = runOnGpu(nodeBinary(version));
      expect(node).toBe(`v${version}`);
      expect(images).toHaveLength(4);
      expect(images).toEqual(hereOnGpu.images);
    },
  );

  it('draws an image without the addon too, and says how to get it', ({ skip }) => {
    skipProblem(skip, version);
    const [there, away] = [installed.path('prebuilds/linux-x64'), join(installed.folder, 'away')];
    if (noAddon === null) renameSync(there, away);
    try {
      const { png, code, hint } = run(nodeBinary(version));
      expect(png).toBe('PNG');
      expect(code).toBe('BACKEND_UNAVAILABLE');
      expect(hint).toMatch(/npm install/);
    } finally {
      if (noAddon === null) renameSync(away, there);
    }
  }, 120_000);
});
