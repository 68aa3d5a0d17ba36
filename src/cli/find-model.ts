import { findModel } from '../hub/find-model.js';
import { DownloadStatus } from './download-status.js';
import type { Io } from './io.js';
import { note } from './output.js';
import { projectFolder } from './project-folder.js';

/**
 * Finds the model of a command, and fetches it from the Hub with its progress on standard error where it is named so.
 *
 * @throws T2IError as `findModel`
 */
export async function findModelOf(nameOrDir: string | undefined, io: Io): Promise<string> {
  const status = new DownloadStatus(io, nameOrDir ?? '');
  try {
    return await findModel(nameOrDir, {
      hub: async () => (await import('../ops/hub/project-hub.js')).projectHub(projectFolder(io), io.env),
      signal: io.signal,
      onProgress: status.update,
      onNote: (message) => {
        status.clear();
        note(io, message);
      },
    });
  } finally {
    status.clear();
  }
}
