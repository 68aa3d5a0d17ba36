import type { BenchReport } from '../../bench/report/report.js';
import { concurrencyTable, contextRows, imageTable } from '../../bench/report/tables.js';
import type { Io } from '../io.js';
import { columns, printJson, table } from '../output.js';

/** A report on standard output: as one line of JSON, or as tables for people. */
export function printReport(report: BenchReport, json: boolean, io: Io): void {
  if (json) {
    printJson(io, report);
    return;
  }
  const tables = [imageTable(report), concurrencyTable(report)].map(({ head, rows }) => columns(head, rows));
  io.stdout.write([table(contextRows(report)), ...tables].join('\n'));
}
