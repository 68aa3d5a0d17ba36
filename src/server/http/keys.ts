import { createHash, timingSafeEqual } from 'node:crypto';
import type { Issue } from '../../errors.js';

/** Fewer characters could be guessed. */
const SHORTEST = 16;
const HASHED = /^sha256:([0-9a-f]{64})$/i;
/** What a header cannot hold as it is typed. */
const UNSENDABLE = /[^\x21-\x7e]/;

/** The keys that are let in. Only their SHA-256 is kept. */
export class ApiKeys {
  private constructor(private readonly digests: readonly Buffer[]) {}

  /**
   * @param keys each the key itself, or `sha256:` and its hash in hex
   * @returns the keys, or what is wrong with them, by their places; no message quotes a key
   */
  static read(keys: readonly string[]): { readonly keys: ApiKeys; readonly issues: readonly Issue[] } {
    const issues: Issue[] = [];
    const digests = keys.map((key, place) => {
      const hash = HASHED.exec(key)?.[1];
      if (hash !== undefined) return Buffer.from(hash, 'hex');
      const received = problemOf(key);
      if (received !== null) issues.push({ option: `key ${place + 1}`, expected: EXPECTED, received });
      return sha256(key);
    });
    return { keys: new ApiKeys(digests), issues };
  }

  get count(): number {
    return this.digests.length;
  }

  /** A name of the key for logs, or null for one that is not let in. Takes the same time wherever it differs. */
  nameOf(key: string): string | null {
    const given = sha256(key);
    let found: Buffer | null = null;
    for (const digest of this.digests) if (timingSafeEqual(digest, given)) found = digest;
    return found && `key-${found.toString('hex').slice(0, 8)}`;
  }
}

const EXPECTED = `at least ${SHORTEST} letters, digits and signs of ASCII without white space, or sha256: and 64 hex digits`;

/** What is wrong with a key that is no hash, without a word of it. */
function problemOf(key: string): string | null {
  // Taken as it stands, half a hash would be the key.
  if (key.toLowerCase().startsWith('sha256:')) return `sha256: and ${key.length - 'sha256:'.length} characters`;
  const count = `${key.length} characters`;
  if (UNSENDABLE.test(key)) return `${count}, and others among them`;
  return key.length < SHORTEST ? count : null;
}

const sha256 = (text: string) => createHash('sha256').update(text).digest();

/** The lines of a file of keys; empty ones and those that begin with # are left out. */
export function linesOfKeys(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** The key of a request: a bearer token, `x-api-key`, or the password of basic authentication, as clients have one or the other. */
export function keyOf(headers: Headers): string | null {
  const { scheme = '', value = '' } =
    /^(?<scheme>\w+) +(?<value>\S+)$/.exec(headers.get('authorization') ?? '')?.groups ?? {};
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() === 'basic')
    return Buffer.from(value, 'base64')
      .toString()
      .replace(/[^:]*:/, '');
  return headers.get('x-api-key');
}
