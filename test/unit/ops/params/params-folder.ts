import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { stringify } from 'yaml';
import { T2IError } from '../../../../src/errors.js';
import { type ReadOptions, readParams } from '../../../../src/ops/params/read.js';

let folder: string;

/** A folder anew for each test of the file that calls it. */
export function freshProject(): void {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 't2i-params-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
}

/** The folder of the project of a test. */
export const project = () => folder;

/** Writes a file below it. */
export const write = (path: string, content: unknown) => {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
};

/** What is read where params.yaml holds this. */
export const read = (params: unknown, options?: ReadOptions) => {
  write('params.yaml', typeof params === 'string' ? params : stringify(params));
  return readParams(folder, options);
};

/** What is wrong, by option. */
export async function mistakes(params: unknown, options?: ReadOptions): Promise<Record<string, string>> {
  try {
    await read(params, options);
  } catch (error) {
    if (!T2IError.is(error) || error.code !== 'OPTION_INVALID') throw error;
    return Object.fromEntries(
      error.issues.map(({ option, expected, received, problem }) => [
        option.replace('params.yaml: ', ''),
        problem ?? `${expected}, not ${received}`,
      ]),
    );
  }
  return {};
}
