import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes an interpreter that stands for the trainer's.
 *
 * @param code in JavaScript; the result of the stage is `call` where it is left out. `call` says what the interpreter was started with:
 *   `launcher`, what came before the script of the stage; `stage`, its name; `project`; `params`; `options`, what it takes besides; and
 *   `env`. `emit(event, fields)` prints what a stage tells
 */
export function writeFakePython(path: string, code = "emit('result', { value: call });"): string {
  const text = `#!${process.execPath}
const fs = require('node:fs');
const argv = process.argv.slice(2);
const at = argv.indexOf('--project');
const call = {
  launcher: argv.slice(0, at - 1),
  stage: require('node:path').basename(argv[at - 1], '.py'),
  project: argv[at + 1],
  params: JSON.parse(fs.readFileSync(argv[at + 3], 'utf8')),
  options: argv.slice(at + 4),
  env: process.env,
};
const emit = (event, fields) => console.log(JSON.stringify({ event, ...fields }));
${code}
`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}
