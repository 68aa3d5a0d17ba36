/**
 * A caller of a built backend that never closes its session, which runs in a child process, to be ended in several ways.
 *
 *     node caller.mjs open|generate|busy|interrupted INPUT        a file of node:v8, with the backend's name, the model and the job
 *     node caller.mjs blocked INPUT                   in place of a backend, the child of blocked-child.mjs
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { deserialize } from 'node:v8';
import { RuntimeProcess } from '../../dist/backends/process/runtime-process.js';
import { selectBackend } from '../../dist/backends/select.js';

const [scene, input] = process.argv.slice(2);
if (scene === 'blocked') await block();
const { backend: name, model, job } = deserialize(readFileSync(input));
const options = { threads: 1, isolation: 'process' };
const { backend } = await selectBackend(name, options);
const session = await backend.open(model, options);
console.log(`child ${session.pid}`);
if (scene === 'generate') await session.generate(job);
if (scene === 'busy') {
  const onStep = ({ step }) => step === 1 && console.log('step');
  for (;;) await session.generate(job, { onStep });
}
if (scene === 'interrupted') {
  // A caller that goes on, while Ctrl-C reaches its whole group.
  process.on('SIGINT', () => console.log('SIGINT'));
  await session.generate(job, { onStep: ({ step }) => step === 1 && process.kill(0, 'SIGINT') });
  console.log(`child ${session.pid}`);
}
console.log(`done ${scene}`);

async function block() {
  const entry = fileURLToPath(new URL('./blocked-child.mjs', import.meta.url));
  const child = new RuntimeProcess({ entry, runtime: 'a loop', installHint: '' });
  await child.ready();
  console.log(`child ${child.pid}`);
  await child.call('block', null, (event) => console.log(event));
}
