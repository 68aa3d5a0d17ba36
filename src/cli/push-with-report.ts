import { type PushReport, pushFolders } from '../ops/transfer/push-folders.js';
import type { Io } from './io.js';
import { StatusLine } from './status-line.js';
import { writeReport } from './write-report.js';

/**
 * Copies folders of a project elsewhere with its progress on standard error, and writes what lies there now to `reports/<name>.json`.
 *
 * @param what is copied, a word for the progress
 */
export async function pushWithReport(
  project: string,
  folders: readonly string[],
  target: string,
  what: string,
  name: string,
  io: Io,
): Promise<PushReport> {
  const status = new StatusLine(io);
  try {
    const report = await pushFolders(project, folders, target, io.signal, ({ done, total }) =>
      status.show(`${what} ${done}/${total} files`),
    );
    // How much of it was new depends on what an earlier push had done: the report of the same files stays the same.
    const { copied: _, ...result } = report;
    await writeReport(project, name, result);
    return report;
  } finally {
    status.clear();
  }
}
