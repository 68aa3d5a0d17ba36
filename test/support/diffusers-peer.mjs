#!/usr/bin/env node
/**
 * Stands in for Python with torch and diffusers: `t2i bench --against diffusers --python` this. It answers every request with a
 * black image and writes down what it was asked, in the file that T2I_PEER_LOG names. T2I_PEER_FAILS lets it fail as Python does: at
 * once with a traceback, or with an error as an answer.
 */
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const { T2I_PEER_LOG: log, T2I_PEER_FAILS: fails } = process.env;
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const note = (what) => log && appendFileSync(log, `${JSON.stringify(what)}\n`);

if (fails === 'at once') {
  process.stderr.write("ModuleNotFoundError: No module named 'torch'\n");
  process.exit(1);
}
note(process.argv.slice(2));
say({ torch: '9.9', diffusers: '8.8', device: 'the CPU', dtype: 'float32' });
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  note(request);
  if (fails === 'when asked') say({ error: 'MemoryError: none left' });
  const rgb = Buffer.alloc(3 * 64 * request.latentHeight * request.latentWidth).toString('base64');
  say({ ms: 12, unetMs: 8, rgb });
}
