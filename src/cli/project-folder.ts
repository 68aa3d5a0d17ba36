import { absolutePath } from '../files.js';
import type { Io } from './io.js';

/** The folder of the project that a command works on: the one it was started in. @throws T2IError IO_FAILED where it was deleted */
export function projectFolder(io: Io): string {
  return io.cwd ?? absolutePath('.');
}
