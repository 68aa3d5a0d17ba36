import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { T2IError } from '../../errors.js';
import { listFiles } from '../transfer/tree.js';
import type { Source, Sources } from './sources.js';

/** What lies in a folder of code and is no part of it, or is nobody's business. */
const LEFT_OUT = /(^|\/)(\.git|\.env[^/]*|\.venv|venv|node_modules|__pycache__|\.DS_Store|[^/]*\.pyc)(\/|$)/;

/**
 * The files of a Space's folder, without what is never published.
 *
 * @throws T2IError DATA_INVALID where the folder is missing or holds no README.md and no Dockerfile; IO_FAILED
 */
export async function spaceSources(folder: string): Promise<Sources> {
  if (!(await stat(folder).catch(() => null))?.isDirectory()) {
    throw new T2IError('DATA_INVALID', `There is no folder ${folder} for the Space`, {
      hint: 'Name the folder with its Dockerfile and README.md: --folder DIR',
    });
  }
  const paths = (await listFiles(folder)).filter((path) => !LEFT_OUT.test(path));
  const lacking = ['Dockerfile', 'README.md'].filter((name) => !paths.includes(name));
  if (lacking.length > 0) {
    throw new T2IError('DATA_INVALID', `${folder} is no Docker Space: ${lacking.join(' and ')} missing`, {
      hint: 'README.md starts with the settings of the Space (sdk: docker, app_port); see docs/hub.md.',
    });
  }
  return new Map<string, Source>(paths.map((path) => [path, join(folder, path)]));
}

/** Whether a file of the Space goes that is not in the folder: all but what the Hub itself made. */
export function isOfSpace(path: string): boolean {
  return path !== '.gitattributes';
}
