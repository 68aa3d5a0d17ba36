import { describeIssue, type Issue } from '../errors.js';
import { isRecord } from '../fields.js';
import { printable } from '../printable.js';
import type { CommandInput } from './command.js';
import { EXIT } from './exit-codes.js';
import type { Io } from './io.js';
import { printJson, table } from './output.js';

/** Tells what a command made, as JSON where that is asked for. Returns the exit code. */
export function tellResult(value: unknown, { flags }: CommandInput, io: Io): number {
  if (flags.json === true) printJson(io, value);
  else printResult(io, value);
  return EXIT.ok;
}

/** What a stage made, as a table of its fields; what stands in lists takes a line each. */
function printResult(io: Io, value: unknown): void {
  if (isRecord(value)) {
    io.stdout.write(table(Object.entries(value).map(([name, field]) => [words(name), describe(field)])));
  } else if (value !== null) io.stdout.write(`${printable(String(value))}\n`);
}

/** A name of JSON in words: `best_step` and `bestStep` are best step. */
function words(name: string): string {
  return name.replaceAll('_', ' ').replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function describe(field: unknown): string {
  if (Array.isArray(field)) return field.length === 0 ? 'none' : field.map(describe).join('\n');
  if (isIssue(field)) return describeIssue(field);
  if (!isRecord(field)) return scalar(field);
  const entries = Object.entries(field).map(([name, inner]) => `${name}: ${inLine(inner)}`);
  return entries.join(Object.values(field).some(isRecord) ? '\n' : ', ');
}

/** What stands inside of a field of a field: in one line, whatever it is. */
function inLine(inner: unknown): string {
  if (Array.isArray(inner)) return inner.map(inLine).join(', ') || 'none';
  if (!isRecord(inner)) return scalar(inner);
  return Object.entries(inner)
    .map(([name, value]) => `${name} ${inLine(value)}`)
    .join(', ');
}

/** Six significant digits of what is no whole number. */
function scalar(value: unknown): string {
  if (value === null) return 'none';
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(6)));
}

function isIssue(field: unknown): field is Issue {
  if (!isRecord(field)) return false;
  return ['option', 'expected', 'received'].every((key) => typeof field[key] === 'string');
}
