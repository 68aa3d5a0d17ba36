import { describeIssue, type Issue, T2IError } from '../errors.js';
import { printable } from '../printable.js';
import { askForReport } from '../report-address.js';
import type { Io, TextOutput } from './io.js';

/** Mistakes that are told to people; more are a page that nobody reads. */
const MOST_LINES = 20;

const ESCAPES = { red: 31, yellow: 33, green: 32, dim: 2 } as const;

/** Colours the text on a terminal; plain elsewhere, and wherever NO_COLOR is set (no-color.org). */
export function paint(io: Io, output: TextOutput, colour: keyof typeof ESCAPES, text: string): string {
  return output.isTTY && !io.env.NO_COLOR ? `\u001b[${ESCAPES[colour]}m${text}\u001b[0m` : text;
}

export function printJson(io: Io, value: unknown): void {
  io.stdout.write(`${JSON.stringify(value)}\n`);
}

export function warn(io: Io, message: string): void {
  io.stderr.write(`${paint(io, io.stderr, 'yellow', 'warning:')} ${printable(message)}\n`);
}

/** What is worth knowing though nothing is wrong. */
export function note(io: Io, message: string): void {
  io.stderr.write(`${paint(io, io.stderr, 'dim', 'note:')} ${printable(message)}\n`);
}

/** A line of a table; `mark` stands before the value and may be painted. */
export type Row = readonly [label: string, value: string, mark?: string];

/** Lines of `label  value` with the values below each other; a value of several lines is indented. */
export function table(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows
    .map(([label, value, mark]) => {
      const indented = printable(value).replaceAll('\n', `\n${' '.repeat(width + 2)}`);
      return `${label.padEnd(width)}  ${mark === undefined ? '' : `${mark}  `}${indented}\n`;
    })
    .join('');
}

/** Lines of columns under their heads, each as wide as its widest cell. */
export function columns(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows].map((cells) => cells.map(printable));
  const widths = head.map((_, at) => Math.max(...lines.map((cells) => cells[at]?.length ?? 0)));
  return lines
    .map(
      (cells) =>
        `${cells
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** Prints what went wrong: message and hint for the user's mistakes, the stack for bugs. */
export function printError(io: Io, error: unknown, json: boolean): void {
  if (json) printJson(io, { error: errorToJson(error) });
  const { text, hint } = describeError(error);
  io.stderr.write(`${paint(io, io.stderr, 'red', 'error:')} ${printable(text)}\n`);
  if (hint) io.stderr.write(`hint: ${printable(hint)}\n`);
}

function isUserError(error: unknown): error is T2IError {
  return T2IError.is(error) && error.code !== 'INTERNAL';
}

function describeError(error: unknown): { text: string; hint?: string | undefined } {
  if (isUserError(error)) {
    const { code, issues, message, hint } = error;
    if (code === 'OPTION_INVALID' && issues.length > 0) return { text: issueLines(issues), hint };
    // A stage's message is a summary of what its issues tell one by one; other messages hold them.
    const untold = issues.filter((issue) => !message.includes(describeIssue(issue)));
    return { text: [message, ...someLines(untold)].join('\n  '), hint };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { text, hint: `This is a bug in t2i.${askForReport('the lines above')}` };
}

function issueLines(issues: readonly Issue[]): string {
  const [first] = issues;
  return issues.length === 1
    ? describeIssue(first as Issue)
    : [`${issues.length} mistakes`, ...someLines(issues)].join('\n  ');
}

/** A line for each, as far as they can be read. */
function someLines(issues: readonly Issue[]): string[] {
  const lines = issues.slice(0, MOST_LINES).map(describeIssue);
  const more = issues.length - lines.length;
  return more > 0 ? [...lines, `and ${more} more: --json tells all`] : lines;
}

function errorToJson(error: unknown): unknown {
  if (!isUserError(error)) return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
  const { code, message, hint, issues } = error;
  return { code, message, ...(hint && { hint }), ...(issues.length > 0 && { issues }) };
}
