import type { Issue } from '../../errors.js';
import { describeValue, isRecord } from '../../fields.js';
import { readRequestOptions, type WrittenRequest } from './request-options.js';

/** One line of a batch file that is a JSON object; its options are not checked yet. */
export interface BatchLine {
  /** Counted from 1. */
  readonly line: number;
  readonly request: WrittenRequest;
  /** File, folder or template of this line alone. */
  readonly output: string | undefined;
  readonly format: string | undefined;
}

/**
 * Reads a batch file: a JSON object a line, with the options of `generate` in the SDK's or the flags' spelling, and `output` and
 * `format`; empty lines are left out.
 */
export function readBatch(text: string): { lines: BatchLine[]; issues: Issue[] } {
  const lines: BatchLine[] = [];
  const issues: Issue[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    if (raw.trim() === '') continue;
    const line = index + 1;
    const value = parse(raw);
    if (!isRecord(value)) {
      const expected = 'a JSON object such as {"prompt": "a red apple"}';
      issues.push({ option: `line ${line}`, expected, received: describeValue(raw.trim()) });
      continue;
    }
    const { output, format, ...options } = value;
    const bad = Object.entries({ output, format }).filter(([, name]) => !['undefined', 'string'].includes(typeof name));
    for (const [key, name] of bad) {
      issues.push({ option: `line ${line}: ${key}`, expected: 'text', received: describeValue(name) });
    }
    if (bad.length > 0) continue;
    lines.push({ line, request: readRequestOptions(options), output: output as string, format: format as string });
  }
  if (lines.length === 0 && issues.length === 0) {
    issues.push({ option: '--batch', expected: 'at least one line', received: 'none' });
  }
  return { lines, issues };
}

function parse(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return undefined;
  }
}
