import { readParams } from '../../ops/params/read.js';
import { type PushReport, pushFolders } from '../../ops/transfer/push-folders.js';
import type { Io } from '../io.js';
import { projectFolder } from '../project-folder.js';
import { StatusLine } from '../status-line.js';
import { writeReport } from '../write-report.js';

/** Copies images, captions and what was prepared of them to `data.remote`. */
export async function pushData(io: Io): Promise<PushReport> {
  const project = projectFolder(io);
  const { params } = await readParams(project);
  const status = new StatusLine(io);
  try {
    const folders = [params.data.raw, 'data/prepared'];
    const report = await pushFolders(project, folders, params.data.remote, io.signal, ({ done, total }) =>
      status.show(`data ${done}/${total} files`),
    );
    const { copied: _, ...result } = report;
    await writeReport(project, 'data-push', result);
    return report;
  } finally {
    status.clear();
  }
}
