import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { REMEDIES } from '../../../docs/remedies.mjs';
import { ERROR_CODES } from '../../../src/errors.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const GUIDE = readFileSync(join(ROOT, 'docs/gpu.md'), 'utf8');

/** Codes that a GPU or an engine can cause, each explained in docs/gpu.md. */
const GPU_CODES = Object.keys(ERROR_CODES).filter((code) => /^(BACKEND|DEVICE|ENGINE|OUT_OF)/.test(code));

/** Text of all sources, with the strings of C++ and TypeScript that go on in the next line joined. */
function sources(): string {
  const read = (folder: string, names: RegExp) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => names.test(name))
      .map((name) => readFileSync(join(ROOT, folder, name), 'utf8'));
  return [...read('native', /\.(cc|h)$/), ...read('src/backends', /\.ts$/)].join('\n').replace(/"\s*\n\s*"/g, '');
}

/** First cells of the rows under a table's head. */
function firstCells(head: string): string[] {
  const [, table = ''] = GUIDE.split(`| ${head} |`);
  const [rows = ''] = table.split('\n\n');
  return [...rows.matchAll(/^\| `(.+?)` \|/gm)].map(([, cell]) => cell as string);
}

describe('the guide to GPUs', () => {
  it('says for every error code what to do', () => {
    expect(Object.keys(REMEDIES).sort()).toEqual(Object.keys(ERROR_CODES).sort());
    for (const remedy of Object.values(REMEDIES)) expect(remedy).toMatch(/^.{20,}[.;)]$/);
  });

  it('explains every code that a GPU can cause', () => {
    expect(firstCells('code | where it comes from | what helps').sort()).toEqual(GPU_CODES.sort());
  });

  it('quotes messages that the code has', () => {
    const text = sources();
    const messages = firstCells('message | what helps');
    expect(messages.length).toBeGreaterThan(20);
    const gone = messages.filter((message) => message.split('…').some((part) => !text.includes(part)));
    expect(gone).toEqual([]);
  });

  it('claims no speed before it was measured', () => {
    expect(GUIDE).toContain('any speed, so none is claimed');
    expect(GUIDE).not.toMatch(/\d+(\.\d+)? ?(ms|it\/s|x faster|times faster)/);
  });
});
