import { dirname, join } from 'node:path';
import { T2IError } from '../../../errors.js';
import { makeFolder } from '../../../files.js';
import { hashOf } from '../../transfer/tree.js';
import { holdsIn, keptFolder, type Place, type Source } from '../place.js';
import type { RunRecord } from '../records.js';
import type { SharedPlace } from './place.js';

/** Sends the files of a model, each unless it is there. @throws T2IError as the place */
export async function sendModel(
  shared: SharedPlace,
  folder: string,
  { files }: RunRecord,
  signal: AbortSignal,
): Promise<void> {
  for (const [path, file] of Object.entries(files)) await shared.send(join(folder, path), file, signal);
}

/** Sends those of earlier versions that this project still has, to go back to. @throws T2IError as the place */
export async function sendKept(
  shared: SharedPlace,
  place: Place,
  versions: readonly RunRecord[],
  signal: AbortSignal,
): Promise<void> {
  for (const model of versions) {
    const folder = keptFolder(place, model);
    if (await holdsIn(folder, model, signal)) await sendModel(shared, folder, model, signal);
  }
}

/** The files of a model that was sent, each checked. */
export const fromShared =
  (shared: SharedPlace): Source =>
  async ({ run_name, files }, to, signal) => {
    for (const [path, file] of Object.entries(files)) {
      const target = join(to, path);
      await makeFolder(dirname(target));
      await shared.fetch(file, target, signal);
      const { bytes, sha256 } = await hashOf(target, signal);
      if (bytes === file.bytes && sha256 === file.sha256) continue;
      const issue = {
        option: path,
        expected: `${file.bytes} bytes, sha256 ${file.sha256}`,
        received: `${bytes} bytes, sha256 ${sha256}`,
      };
      const address = shared.addressOf(file);
      throw new T2IError('DOWNLOAD_INVALID', `${address}, ${path} of the run ${run_name}, is another file`, {
        issues: [issue],
        hint: `Remove ${address}; the next t2i promote on a machine that has this version sends it again.`,
      });
    }
  };
