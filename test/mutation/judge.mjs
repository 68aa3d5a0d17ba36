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
 * How many mutants of a file the tests saw, and how many count.
 * @typedef {readonly [seen: number, total: number]} Count
 *
 * `score` is in percent, rounded down to tenths.
 * @typedef {{ score: number, total: number, fell: boolean, lines: string[], files: Record<string, Count> }} Verdict
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
 * @param {Readonly<Record<string, Count>>} [before] counts of a layer's files, of which those stand that no mutant is of
 * @returns {Verdict}
 */
export function judge(mutants, equal, floor, before = {}) {
  const fits = (mutant) => (entry) =>
    entry.file === mutant.file && entry.original === mutant.original && entry.replacement === mutant.replacement;
  const unseen = mutants.filter(({ status }) => MISSED.has(status));
  const missed = unseen.filter((mutant) => !equal.some(fits(mutant)));
  const paths = new Set(mutants.map(({ file }) => file));
  const stale = equal.filter((entry) => paths.has(entry.file) && !unseen.some((mutant) => fits(mutant)(entry)));
  const files = { ...before };
  for (const path of paths) {
    const of = ({ file }) => file === path;
    const seen = mutants.filter(({ status }) => SEEN.has(status)).filter(of).length;
    files[path] = [seen, seen + missed.filter(of).length];
  }
  const { score, total } = sum(Object.values(files));
  return {
    score,
    total,
    files,
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

/** @param {readonly Count[]} counts */
function sum(counts) {
  const [seen, total] = [0, 1].map((part) => counts.reduce((all, count) => all + count[part], 0));
  return { score: total === 0 ? 100 : Math.floor((1000 * seen) / total) / 10, total };
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
