import { stat } from 'node:fs/promises';

/** What changes when a file is written or replaced. */
export interface FileStamp {
  readonly size: number;
  /** Of the last change of content, name or times: no program can set it back. */
  readonly changedMs: number;
  readonly inode: number;
}

/** @throws the system's error where the file is gone */
export async function stampFile(path: string): Promise<FileStamp> {
  const { size, ctimeMs, ino } = await stat(path);
  return { size, changedMs: ctimeMs, inode: ino };
}
