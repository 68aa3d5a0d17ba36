import type { BenchReport, SubjectReport } from './report.js';
import { formatMemory, formatMs, formatRatio, formatShare, formatSummary, threeDigits } from './words.js';

/** A table of text: cells below their heads. */
export interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What was measured, and where: labels with their values. */
export function contextRows(report: BenchReport): [label: string, value: string][] {
  const { machine, model, request, threads, subjects, skipped, rounds, complete } = report;
  const { steps, sampler, guidanceScale, width, height, preset } = request;
  const parts = [`${width}x${height}`, `${steps} steps of ${sampler}`, `guidance ${guidanceScale}`];
  return [
    ['date', report.date],
    ['machine', `${machine.cpu}, ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, ${machine.platform}`],
    ['versions', `${machine.t2i}, node ${machine.node}`],
    ['threads', threads === null ? "each runtime's own choice" : String(threads)],
    ['model', model.name],
    ['request', [...parts, ...(preset === null ? [] : [`preset ${preset}`])].join(', ')],
    ['rounds', complete ? String(rounds) : `${rounds}, not all of them measured`],
    ...subjects.map(({ name, runsOn, warnings }): [string, string] => [
      name,
      [runsOn, ...warnings.map((warning) => `warning: ${warning}`)].join('\n'),
    ]),
    ...skipped.map(({ name, reason, hint }): [string, string] => [name, `skipped: ${reason}\n${hint}`]),
  ];
}

/** Medians with quartiles, a column for each subject; ratios say how many times as long as the first one. */
export function imageTable({ subjects }: BenchReport): TextTable {
  const row = (label: string, cell: (subject: SubjectReport) => string) => [label, ...subjects.map(cell)];
  /** The first one is what the others are compared with. */
  const times = (subject: SubjectReport, key: keyof SubjectReport['ratio']) =>
    subject === subjects[0] ? '' : formatRatio(subject.ratio[key]);
  const rows = [
    row('whole image', (each) => formatSummary(each.imageMs, formatMs) + times(each, 'image')),
    row('one UNet step', (each) => formatSummary(each.unetStepMs, formatMs) + times(each, 'unetStep')),
    row('outside the networks', ({ outsideNetworks: outside }) =>
      outside ? `${formatSummary(outside.ms, formatMs)}, ${formatShare(outside.share.median)}` : '-',
    ),
    row('first image of a process', (each) => formatSummary(each.firstImageMs, formatMs) + times(each, 'firstImage')),
    row('load, of that', ({ loadMs }) => formatSummary(loadMs, formatMs)),
    row('peak memory, process', ({ memory }) => formatSummary(memory?.process, formatMemory)),
    row('peak memory, children', ({ memory }) => formatSummary(memory?.children, formatMemory)),
    row('image beside the first', ({ difference }) => (difference ? formatPsnr(difference.psnr) : '-')),
  ];
  const measured = rows.filter(([, ...cells]) => cells.some((cell) => cell !== '-'));
  return { head: ['', ...subjects.map(({ name }) => name)], rows: measured };
}

/** Images a second and times of single requests, a row for each number of requests that were sent at once. */
export function concurrencyTable({ subjects }: BenchReport): TextTable {
  return {
    head: ['', 'at once', 'images/s', 'p50', 'p95', 'p99', 'requests', 'refused', 'event-loop delay, p99'],
    rows: subjects.flatMap(({ name, concurrency }) =>
      concurrency.map(({ requests, imagesPerSecond, latencyMs, refusedShare, eventLoopDelayMs }) => [
        name,
        String(requests),
        formatSummary(imagesPerSecond, threeDigits),
        ...[latencyMs.p50, latencyMs.p95, latencyMs.p99].map(formatMs),
        String(latencyMs.count),
        refusedShare === null ? '-' : formatShare(refusedShare),
        formatSummary(eventLoopDelayMs, formatMs),
      ]),
    ),
  };
}

function formatPsnr(psnr: number | null): string {
  return psnr === null ? 'every byte is equal' : `PSNR ${psnr.toFixed(1)} dB`;
}
