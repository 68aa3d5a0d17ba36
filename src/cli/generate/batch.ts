import type { Issue } from '../../errors.js';
import { describeValue, isRecord } from '../../fields.js';
import type { RequestOptions } from '../../options.js';

/** One line of a batch file that is a JSON object; its options are not checked yet. */
export interface BatchLine {
  /** Counted from 1. */
  readonly line: number;
  readonly options: RequestOptions;
  /** File, folder or template of this line alone. */
  readonly output: string | undefined;
}

/** Reads a batch file: a JSON object a line, with the options of `generate` and `output`; empty lines are left out. */
export function readBatch(text: string): { lines: BatchLine[]; issues: Issue[] } {
  const lines: BatchLine[] = [];
  const issues: Issue[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    if (raw.trim() === '') continue;
    const line = index + 1;
    const value = parse(raw);
    if (!isRecord<RequestOptions>(value)) {
      issues.push({
        option: `line ${line}`,
        expected: 'a JSON object such as {"prompt": "a red apple"}',
        received: quote(raw),
      });
      continue;
    }
    const { output, ...options } = value;
    if (output !== undefined && typeof output !== 'string') {
      issues.push({ option: `line ${line}: output`, expected: 'a path', received: describeValue(output) });
    } else lines.push({ line, options: options as RequestOptions, output });
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

function quote(raw: string): string {
  return describeValue(raw.trim());
}
