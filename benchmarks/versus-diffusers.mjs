/**
 * How fast is the SDK on a CPU, beside diffusers in eager PyTorch with the same weights, seed, sampler and threads?
 *
 *     npm run bench -- [--model NAME|DIR] [--rounds 5] [--steps 30] [--threads N] [--python PATH]
 *
 * Prints JSON: medians in milliseconds of a whole picture and of one UNet step, their ratios, the share of the SDK's wall time
 * that is spent outside the networks, and the first picture of a fresh process with everything loaded anew.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Pipeline } from '../dist/index.js';
import { startPeer } from './python-peer.mjs';
import { machine, median, psnr, rotate } from './report.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '30' },
    threads: { type: 'string', default: String(os.availableParallelism()) },
    python: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const steps = Number(values.steps);
const threads = Number(values.threads);
const request = { prompt: 'a red apple on a blue background', seed: 7, steps, guidance: 5 };
const say = (text) => process.stderr.write(`${text}\n`);

const t2i = await Pipeline.load({ threads, ...(values.model && { model: values.model }) });
const reference = await startPeer('diffusers_reference.py', [t2i.model.dir, String(threads)], values.python);
const results = { sdk: [], sdkUnet: [], outside: [], diffusers: [], diffusersUnet: [] };
let pictures = {};

const cases = [runSdk, runDiffusers];
say('warming up');
for (const run of cases) await run();
for (const list of Object.values(results)) list.length = 0;
await rotate(cases, rounds, say);
reference.end();
await t2i.close();

const sdk = median(results.sdk);
const diffusers = median(results.diffusers);
process.stdout.write(
  `${JSON.stringify(
    {
      question: 'A whole picture on a CPU: the SDK beside diffusers, eager, with the same weights, seed and threads',
      machine: { ...machine(), ...reference.versions, threads },
      model: t2i.model.name,
      request: { ...request, sampler: 'ddim', size: `${t2i.model.nativeSize}x${t2i.model.nativeSize}` },
      rounds,
      pictureMs: { sdk, diffusers, ratio: diffusers / sdk },
      unetStepMs: {
        sdk: median(results.sdkUnet),
        diffusers: median(results.diffusersUnet),
        ratio: median(results.diffusersUnet) / median(results.sdkUnet),
      },
      outsideNetworksShare: median(results.outside),
      picturesIdentical: psnr(pictures.sdk, pictures.diffusers) === Number.POSITIVE_INFINITY,
      picturesPsnrDb: psnr(pictures.sdk, pictures.diffusers),
      firstPictureOfAProcessMs: firstPicture(),
    },
    null,
    2,
  )}\n`,
);

async function runSdk() {
  const start = performance.now();
  const { images, timings } = await t2i.generate({
    prompt: request.prompt,
    seed: request.seed,
    steps,
    guidanceScale: request.guidance,
    sampler: 'ddim',
  });
  const ms = performance.now() - start;
  results.sdk.push(ms);
  results.sdkUnet.push(timings.unet / steps);
  results.outside.push((ms - timings.textEncoder - timings.unet - timings.vaeDecoder) / ms);
  pictures = { ...pictures, sdk: images[0].rgb };
}

async function runDiffusers() {
  const { ms, unetMs, rgb } = await reference.ask(request);
  results.diffusers.push(ms);
  results.diffusersUnet.push(unetMs / steps);
  pictures = { ...pictures, diffusers: Buffer.from(rgb, 'base64') };
}

/** Wall time of `t2i generate` in a process of its own, program start and model load included. */
function firstPicture() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 't2i-bench-'));
  const command = [
    path.join(root, 'bin', 't2i.mjs'),
    'generate',
    request.prompt,
    '--seed',
    '7',
    '--steps',
    values.steps,
  ];
  const start = performance.now();
  const { status, stderr } = spawnSync(
    process.execPath,
    [...command, '--model', t2i.model.dir, '-o', path.join(folder, 'a.png')],
    { encoding: 'utf8' },
  );
  const ms = performance.now() - start;
  rmSync(folder, { recursive: true });
  if (status !== 0) throw new Error(`t2i generate failed: ${stderr}`);
  return ms;
}
