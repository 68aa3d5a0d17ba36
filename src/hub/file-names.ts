import { type Issue, T2IError } from '../errors.js';
import type { RemoteFile } from './remote.js';

const LONGEST_PATH = 500;
const LONGEST_PART = 200;
const MOST_PARTS = 10;
/** Names that Windows takes for a device, whatever follows the dot. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i;
const MOST_TOLD = 10;

/**
 * Refuses a repository with a file whose name leaves the folder that it is written into, on any system: a Windows machine may read
 * what another one wrote.
 *
 * @throws T2IError DOWNLOAD_INVALID
 */
export function checkFileNames(repo: string, files: readonly RemoteFile[]): void {
  const issues = files.flatMap(({ path }): Issue[] => {
    const reason = reasonAgainst(path);
    return reason === null
      ? []
      : [{ option: JSON.stringify(path.slice(0, 100)), expected: 'a name inside the folder', received: reason }];
  });
  if (issues.length === 0) return;
  const told = issues.slice(0, MOST_TOLD).map(({ option, received }) => `${option} has ${received}`);
  throw new T2IError('DOWNLOAD_INVALID', `${repo} has files with names that are refused: ${told.join('; ')}`, {
    issues,
    hint: 'Ask its owner to rename them; nothing was written.',
  });
}

/** What is wrong with a name, or null. */
function reasonAgainst(path: string): string | null {
  if (path === '' || path.length > LONGEST_PATH) return 'no characters, or too many';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'control characters';
  if (/[\\:]/.test(path)) return 'a backslash or a colon';
  const parts = path.split('/');
  if (parts.length > MOST_PARTS) return 'too many folders';
  for (const part of parts) {
    if (part === '' || /^\.+$/.test(part)) return 'a part that leads elsewhere';
    if (part.length > LONGEST_PART) return 'a part that is too long';
    if (/[. ]$/.test(part) || DEVICE.test(part)) return 'a part that Windows reads as another name';
  }
  return null;
}
