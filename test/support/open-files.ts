import { readdirSync, readlinkSync } from 'node:fs';

/** Paths below a folder that this process has open, by Linux's /proc. */
export function openFilesIn(folder: string): string[] {
  return readdirSync('/proc/self/fd')
    .map((name) => {
      try {
        return readlinkSync(`/proc/self/fd/${name}`);
      } catch {
        // That of the listing itself, which is closed by now.
        return '';
      }
    })
    .filter((path) => path.startsWith(folder));
}
