import type { Issue } from '../errors.js';
import { describeValue, refuse } from '../fields.js';

/** A repository of the Hub, at a branch, a tag or a commit. */
export interface HubReference {
  /** OWNER/NAME. */
  readonly repo: string;
  readonly revision: string;
}

/** What is used where no revision is named. */
export const MAIN = 'main';

const PART = /^[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?$/;
const LONGEST_NAME = 96;
const REVISION = /^[A-Za-z0-9][\w./+-]{0,254}$/;
const COMMIT = /^[0-9a-f]{40}$/;

/** Whether a text is OWNER/NAME, as the Hub allows. */
export function isRepoName(text: string): boolean {
  const parts = text.split('/');
  return (
    parts.length === 2 &&
    text.length <= LONGEST_NAME &&
    parts.every((part) => PART.test(part)) &&
    !/--|\.\./.test(text) &&
    !text.endsWith('.git')
  );
}

/** Whether a revision is a commit in full, which never means another one. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/** A name of a branch or tag that is a path inside a folder, too. */
export function isRevision(text: string): boolean {
  return REVISION.test(text) && !/\.\.|\/\/|\/\.|\.lock$|[/.]$/.test(text);
}

/** OWNER/NAME or OWNER/NAME@REVISION in its parts; null where it is neither. */
export function readReference(text: string): HubReference | null {
  const [repo = '', revision = MAIN, ...rest] = text.split('@');
  return rest.length === 0 && isRepoName(repo) && isRevision(revision) ? { repo, revision } : null;
}

/** @throws T2IError OPTION_INVALID naming the option */
export function parseReference(text: string, option: string): HubReference {
  const reference = readReference(text);
  if (reference === null) refuse([issue(option, 'OWNER/NAME or OWNER/NAME@REVISION', text)]);
  return reference as HubReference;
}

/** @throws T2IError OPTION_INVALID naming the option */
export function checkRepoName(text: string, option: string): string {
  if (!isRepoName(text)) refuse([issue(option, 'OWNER/NAME of a repository on the Hub', text)]);
  return text;
}

function issue(option: string, expected: string, text: string): Issue {
  return { option, expected, received: describeValue(text) };
}
