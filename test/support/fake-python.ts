import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** What stands in the place of the trainer's interpreter was started with, and all that it was asked for. */
interface StageCall {
  /** What came before the script of the stage. */
  readonly launcher: readonly string[];
  /** Name of the script. */
  readonly stage: string;
  readonly project: string;
  readonly params: Record<string, Record<string, unknown>>;
  /** What the script takes besides. */
  readonly options: readonly string[];
  readonly env: Record<string, string | undefined>;
}

/**
 * Writes an interpreter that stands for the trainer's.
 *
 * @param code in JavaScript: `call` is a {@link StageCall}, and `emit(event, fields)` prints what a stage tells; its result is the call
 *   where it is left out
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
