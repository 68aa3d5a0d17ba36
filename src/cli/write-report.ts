import { join } from 'node:path';
import { makeFolder, writeJsonFile } from '../files.js';

/**
 * Writes what a stage of a project ended with to `reports/<name>.json`, for the stages that come after it. The same result is the same
 * file, so that DVC sees whether anything changed.
 */
export async function writeReport(project: string, name: string, value: unknown): Promise<void> {
  await makeFolder(join(project, 'reports'));
  await writeJsonFile(join(project, 'reports', `${name}.json`), value);
}
