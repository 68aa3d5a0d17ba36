/**
 * How fast is the native denoising loop on a GPU, beside PyTorch in fp16, eager and compiled, on the same card and weights?
 *
 *     npm run bench:gpu -- [--model NAME|DIR] [--rounds 9] [--steps 30] [--python PATH] [--backend tensorrt]
 *
 * Prints JSON with the device's name: medians in milliseconds of the loop alone (guidance on, one picture), their ratios, and the
 * whole picture. `python benchmarks/anchor_model.py DIR` writes the model of 148,345,732 parameters to measure with --model DIR.
 * Engines are built first where the cache has none. With --backend onnxruntime both sides run on the CPU: that tries the script,
 * and says nothing about a GPU.
 */
import { parseArgs } from 'node:util';
import { Pipeline } from '../dist/index.js';
import { startPeer } from './python-peer.mjs';
import { machine, median, rotate } from './report.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    rounds: { type: 'string', default: '9' },
    steps: { type: 'string', default: '30' },
    python: { type: 'string' },
    backend: { type: 'string', default: 'tensorrt' },
  },
});
const rounds = Number(values.rounds);
const steps = Number(values.steps);
const guidance = 5;
const say = (text) => process.stderr.write(`${text}\n`);

const t2i = await Pipeline.load({ backend: values.backend, ...(values.model && { model: values.model }) });
const torch = await startPeer(
  'torch_loop.py',
  [t2i.model.dir, values.backend === 'tensorrt' ? 'cuda' : 'cpu'],
  values.python,
);
const times = { picture: [], loop: [], eager: [], compile: [] };

async function runSdk() {
  const start = performance.now();
  const { timings } = await t2i.generate({
    prompt: 'a red apple',
    seed: 7,
    steps,
    guidanceScale: guidance,
    sampler: 'ddim',
  });
  times.picture.push(performance.now() - start);
  times.loop.push(timings.unet);
}
const runTorch = (mode) => async () => times[mode].push((await torch.ask({ mode, steps, guidance })).ms);

const cases = [runSdk, runTorch('eager'), runTorch('compile')];
say('warming up');
// Compiling takes its time on the first runs, and graphs are captured on the second.
for (let run = 0; run < 3; run++) for (const each of cases) await each();
for (const list of Object.values(times)) list.length = 0;
await rotate(cases, rounds, say);
torch.end();
await t2i.close();

const [loop, eager, compiled] = [times.loop, times.eager, times.compile].map(median);
process.stdout.write(
  `${JSON.stringify(
    {
      question: 'The denoising loop of one picture, guidance on: the SDK beside PyTorch, eager and compiled',
      machine: { ...machine(), ...torch.versions, backend: t2i.backend },
      model: t2i.model.name,
      request: { steps, guidance, sampler: 'ddim', size: t2i.model.nativeSize },
      rounds,
      loopMs: { sdk: loop, torchEager: eager, torchCompile: compiled },
      ratio: { torchEager: eager / loop, torchCompile: compiled / loop },
      pictureMs: median(times.picture),
    },
    null,
    2,
  )}\n`,
);
