/**
 * @typedef {object} Mutant
 * @property {string} file path from the root
 * @property {{ start: { line: number } }} location lines from 1
 * @property {string} original the source that was replaced
 * @property {string} [replacement]
 * @property {string} status Stryker's: Killed, Timeout, Survived, NoCoverage, Ignored, CompileError, RuntimeError
 *
 * A mutant that no test can see, since it changes nothing.
 * @typedef {{ file: string, original: string, replacement: string, reason: string }} Equal
 *
 * @typedef {{ score: number, total: number, fell: boolean, lines: string[] }} Verdict `score` in percent, rounded down to tenths
 */

const SEEN = new Set(['Killed', 'Timeout']);
const MISSED = new Set(['Survived', 'NoCoverage']);

/**
 * How many mutants the tests saw of those that count, and a line for each that they missed. An entry of `equal` that fits no survivor is
 * named too: the code or the tests have changed since it was written.
 *
 * @param {readonly Mutant[]} mutants
 * @param {readonly Equal[]} equal those of all layers
 * @param {number} floor the score that it may not fall below
 * @returns {Verdict}
 */
export function judge(mutants, equal, floor) {
  const fits = (mutant) => (entry) =>
    entry.file === mutant.file && entry.original === mutant.original && entry.replacement === mutant.replacement;
  const seen = mutants.filter(({ status }) => SEEN.has(status));
  const unseen = mutants.filter(({ status }) => MISSED.has(status));
  const missed = unseen.filter((mutant) => !equal.some(fits(mutant)));
  const files = new Set(mutants.map(({ file }) => file));
  const stale = equal.filter((entry) => files.has(entry.file) && !unseen.some((mutant) => fits(mutant)(entry)));
  const total = seen.length + missed.length;
  const score = total === 0 ? 100 : Math.floor((1000 * seen.length) / total) / 10;
  return {
    score,
    total,
    fell: score < floor,
    lines: [
      ...missed.map(describe),
      ...stale.map(
        ({ file, original }) => `${file}: ${oneLine(original)} is listed as equal, and is none of the survivors`,
      ),
      ...(score < floor ? [`fell below ${floor} %`] : []),
    ],
  };
}

const describe = ({ file, location, original, replacement, status }) =>
  `${file}:${location.start.line} ${oneLine(original)} -> ${oneLine(replacement ?? '')}${status === 'NoCoverage' ? ' (no test runs it)' : ''}`;

const oneLine = (text) => text.replace(/\s+/g, ' ').slice(0, 100);

/**
 * The source between two places, lines from 1 and columns from 1.
 *
 * @param {string} source
 * @param {{ start: { line: number, column: number }, end: { line: number, column: number } }} location
 */
export function slice(source, { start, end }) {
  const lines = source.split('\n').slice(start.line - 1, end.line);
  const last = lines.length - 1;
  lines[last] = lines[last]?.slice(0, end.column - 1) ?? '';
  lines[0] = lines[0]?.slice(start.column - 1) ?? '';
  return lines.join('\n');
}
