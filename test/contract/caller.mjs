/**
 * A caller of the built backend that never closes its session, to be ended in several ways.
 *
 *     node caller.mjs open|generate|busy MODEL JOB        both JSON files
 */
import { readFileSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { onnxruntime } from '../../dist/backends/onnxruntime/onnxruntime.js';

const [scene, input] = process.argv.slice(2);
const { model, job } = deserialize(readFileSync(input));
const session = await onnxruntime.open(model, { threads: 1 });
console.log(`child ${session.pid}`);
if (scene === 'generate') await session.generate(job);
if (scene === 'busy') {
  const onStep = ({ step }) => step === 1 && console.log('step');
  for (;;) await session.generate(job, { onStep });
}
console.log(`done ${scene}`);
