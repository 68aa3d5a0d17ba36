import { readdirSync } from 'node:fs';

/** What is in a folder; nothing where it is not there, is no folder or cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
