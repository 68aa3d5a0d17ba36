import { stat } from 'node:fs/promises';

/** What changes when a file is written or replaced. */
export interface FileStamp {
  readonly size: number;
  readonly modifiedMs: number;
  readonly inode: number;
}

/** @throws the system's error where the file is gone */
export async function stampFile(path: string): Promise<FileStamp> {
  const { size, mtimeMs, ino } = await stat(path);
  return { size, modifiedMs: mtimeMs, inode: ino };
}
