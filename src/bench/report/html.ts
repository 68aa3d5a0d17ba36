import type { Summary } from '../statistics.js';
import { escapeXml, type PlotRow, plot } from './plot.js';
import type { BenchReport } from './report.js';
import { concurrencyTable, contextRows, imageTable, type TextTable } from './tables.js';
import { formatMs, threeDigits } from './words.js';

const STYLE = `
:root { color-scheme: light dark; --text: #1d2330; --dim: #5d6675; --line: #d9dde5; --bar: #a9c3f0; --dot: #1f4fa8; --page: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ef; --dim: #9aa3b2; --line: #353c49; --bar: #2f4d80; --dot: #9dc0ff; --page: #14181f; }
}
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line); white-space: pre-wrap; }
th { color: var(--dim); font-weight: 500; }
.wide { overflow-x: auto; }
svg { width: 100%; font-size: 12px; fill: var(--text); }
svg rect { fill: var(--bar); } svg circle { fill: var(--dot); fill-opacity: .6; }
svg .label { text-anchor: end; } svg .tick { text-anchor: middle; fill: var(--dim); } svg .grid { stroke: var(--line); }
pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--line); border-radius: .4rem; font-size: 12px; }
p { color: var(--dim); }`;

/** A report as one page that needs no other file and no network. */
export function renderHtml(report: BenchReport): string {
  const title = `t2i bench: ${report.model.name}`;
  return [
    '<!doctype html>',
    '<html lang="en">',
    `<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeXml(title)}</title><style>${STYLE}</style></head>`,
    '<body>',
    `<h1>${escapeXml(title)}</h1>`,
    htmlTable({ head: [], rows: contextRows(report) }),
    '<h2>One image</h2>',
    '<p>Medians, quartiles in brackets, and how many times as long as the first column.</p>',
    htmlTable(imageTable(report)),
    '<p>In the plots, bars and numbers are medians, dots are single measurements.</p>',
    ...plots(report),
    '<h2>Requests at once</h2>',
    '<p>Milliseconds from sending all requests to each one’s image.</p>',
    htmlTable(concurrencyTable(report)),
    '<h2>As JSON</h2>',
    `<details><summary>everything that was measured</summary><pre>${escapeXml(JSON.stringify(report, null, 2))}</pre></details>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function plots({ subjects }: BenchReport): string[] {
  const bySubject = (pick: (subject: (typeof subjects)[number]) => Summary | null) =>
    subjects.flatMap((subject) => {
      const summary = pick(subject);
      return summary === null ? [] : [{ label: subject.name, ...summary }];
    });
  const byConcurrency = (pick: (level: (typeof subjects)[number]['concurrency'][number]) => Omit<PlotRow, 'label'>) =>
    subjects.flatMap(({ name, concurrency }) =>
      concurrency.map((level) => ({ label: `${name}, ${level.requests} at once`, ...pick(level) })),
    );
  return [
    section(
      'Whole image',
      bySubject(({ imageMs }) => imageMs),
      formatMs,
    ),
    section(
      'One UNet step',
      bySubject(({ unetStepMs }) => unetStepMs),
      formatMs,
    ),
    section(
      'First image of a process',
      bySubject(({ firstImageMs }) => firstImageMs),
      formatMs,
    ),
    section(
      'Images a second',
      byConcurrency(({ imagesPerSecond }) => imagesPerSecond),
      threeDigits,
    ),
    section(
      'Time to the image of each request',
      byConcurrency(({ latencyMs: { p50, values } }) => ({ median: p50, values })),
      formatMs,
    ),
  ];
}

/** Empty where nothing was measured. */
function section(title: string, rows: readonly PlotRow[], format: (value: number) => string): string {
  return rows.length === 0 ? '' : `<h2>${escapeXml(title)}</h2>\n${plot(title, rows, format)}`;
}

function htmlTable({ head, rows }: TextTable): string {
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell, place) => `<${place === 0 ? 'th' : tag}>${escapeXml(cell)}</${place === 0 ? 'th' : tag}>`).join('')}</tr>`;
  const headLine = head.length === 0 ? [] : [line(head, 'th')];
  return `<div class="wide"><table>${[...headLine, ...rows.map((row) => line(row, 'td'))].join('\n')}</table></div>`;
}
