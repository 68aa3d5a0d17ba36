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

/** What a stage made, as a table of its fields; lists and objects within are counted or told a line each. */
function printResult(io: Io, value: unknown): void {
  if (isRecord(value)) {
    const rows = Object.entries(value).map(([name, field]) => [name.replaceAll('_', ' '), describe(field)] as const);
    if (rows.length > 0) io.stdout.write(table(rows));
  } else if (value !== null) io.stdout.write(`${printable(String(value))}\n`);
}

function describe(field: unknown): string {
  if (Array.isArray(field)) return field.length === 0 ? 'none' : field.map(describe).join('\n');
  if (!isRecord(field)) return typeof field === 'number' ? shorten(field) : String(field);
  const entries = Object.entries(field).map(
    ([name, inner]) => `${name}: ${isRecord(inner) ? JSON.stringify(inner) : describe(inner)}`,
  );
  return entries.join(Object.values(field).some(isRecord) ? '\n' : ', ');
}

/** Six significant digits of what is no whole number. */
function shorten(value: number): string {
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
}
