import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { Dialect, Operation } from '../http/operation.js';
import { openaiError } from '../openai/errors.js';
import { OPENAI_ERROR } from '../openai/schema.js';

/** The built files, which are served from the sources as well: browsers run no TypeScript. */
const FOLDER = new URL('browser/', import.meta.url.replace(/\/src\/(server\/page\/[^/]*)$/, '/dist/$1'));

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * What the page may do: run its own files, ask its own server, and show images that it made itself. No text can become code or
 * markup in it, and no other site can frame it.
 */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  'referrer-policy': 'no-referrer',
  // Asked again each time, and answered by 304 while the file is the same.
  'cache-control': 'no-cache',
};

/**
 * The page for people: `/` and its files, each a route of its own, read once. They are answered without a key, for the page is what asks
 * for it: they are the same in every installation, and hold nothing of this server.
 */
export function pageDialect(): Dialect {
  const files = readdirSync(FOLDER).filter((name) => extname(name) in TYPES);
  return {
    name: 'page',
    owns: () => false,
    errorBody: openaiError,
    errorSchema: OPENAI_ERROR,
    operations: files.map(fileOperation),
  };
}

function fileOperation(name: string): Operation {
  const bytes = readFileSync(new URL(name, FOLDER));
  const type = TYPES[extname(name)] as string;
  const etag = `"${createHash('sha256').update(bytes).digest('base64url')}"`;
  const headers = { ...HEADERS, etag, 'content-type': type };
  return {
    method: 'get',
    path: name === 'index.html' ? '/' : `/page/${name}`,
    summary: 'A file of the page.',
    answer: { status: 200, content: [type] },
    open: true,
    handle: (context) =>
      context.req.header('if-none-match') === etag
        ? context.body(null, 304, headers)
        : context.body(Uint8Array.from(bytes), 200, headers),
  };
}
