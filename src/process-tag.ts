import { createHash } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process as {@link processTag} writes it. */
export const PROCESS_TAG = /\d+-[0-9a-f]{16}/;

/** Names a process in a file that other processes find: its id, and where that id means something. */
export function processTag(pid: number = process.pid): string {
  return `${pid}-${pidSpace()}`;
}

/**
 * Whether a process still runs. `unknown` is one elsewhere, and one of this process's own id, for a container gives the same ids to
 * one run after another.
 */
export function processState(tag: string): 'running' | 'gone' | 'unknown' {
  const [id, space] = tag.split('-');
  const pid = Number(id);
  if (!(pid > 0)) return 'gone';
  if (space !== pidSpace() || pid === process.pid) return 'unknown';
  try {
    process.kill(pid, 0);
    return 'running';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'running' : 'gone';
  }
}

/** Stands for the machine and the container whose process ids are meant: containers may share a folder and count on their own. */
function pidSpace(): string {
  let space = '';
  try {
    space = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Not Linux: the machine alone.
  }
  return createHash('sha256').update(`${hostname()} ${space}`).digest('hex').slice(0, 16);
}
