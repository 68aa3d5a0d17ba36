/** Measurements of one thing: a row of a plot. */
export interface PlotRow {
  readonly label: string;
  readonly median: number;
  readonly values: readonly number[];
}

const WIDTH = 760;
const LABEL = 240;
/** For the median, written behind the bar's end. */
const RIGHT = 80;
const ROW = 30;
const AXIS = 24;

/**
 * Rows of bars from zero to the median, with every value as a dot on top, as an SVG element.
 *
 * @param format writes a value with its unit
 */
export function plot(title: string, rows: readonly PlotRow[], format: (value: number) => string): string {
  const ticks = ticksUpTo(Math.max(...rows.flatMap(({ values }) => values)));
  const scale = (WIDTH - LABEL - RIGHT) / (ticks.at(-1) as number);
  const x = (value: number) => (LABEL + value * scale).toFixed(1);
  const bottom = rows.length * ROW;
  const grid = ticks.map(
    (tick) =>
      `<path class="grid" d="M${x(tick)} 0V${bottom}"/><text class="tick" x="${x(tick)}" y="${bottom + 16}">${escapeXml(format(tick))}</text>`,
  );
  const bars = rows.map(({ label, median, values }, place) => {
    const middle = place * ROW + ROW / 2;
    const dots = values.map((value) => `<circle cx="${x(value)}" cy="${middle}" r="3"/>`).join('');
    const end = x(Math.max(median, ...values));
    return [
      `<text class="label" x="${LABEL - 10}" y="${middle + 4}">${escapeXml(label)}</text>`,
      `<rect x="${LABEL}" y="${middle - 8}" width="${(median * scale).toFixed(1)}" height="16"/>`,
      dots,
      `<text x="${Number(end) + 8}" y="${middle + 4}">${escapeXml(format(median))}</text>`,
    ].join('');
  });
  return `<svg role="img" aria-label="${escapeXml(title)}" viewBox="0 0 ${WIDTH} ${bottom + AXIS}">${grid.join('')}${bars.join('')}</svg>`;
}

/** Zero and up to six round numbers above it, the last one at or beyond `largest`. */
export function ticksUpTo(largest: number): number[] {
  const power = 10 ** Math.floor(Math.log10(largest / 5 || 1));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => largest / each <= 5) as number;
  return Array.from({ length: Math.max(1, Math.ceil(largest / step)) + 1 }, (_, index) => index * step);
}

/** Text as XML and HTML hold it, in elements and in attributes between double quotes. */
export function escapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot' };
  return text.replace(/[&<>"]/g, (sign) => `&${names[sign]};`);
}
