// `npm run test:mutation [-- LAYER ... | LAYER FILE ...] [--update]`: breaks src/ in small ways, one at a time, and says which of them no test sees.
//
// A layer may not fall below its score in baseline.json; --update raises it there. Where a file is run alone, the others of its layer count
// as they did when they were measured. A mutant that changes nothing that can be seen is listed in equal.json with the reason. Takes minutes
// a layer: it is no part of `npm test`.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Stryker } from '@stryker-mutator/core';
import { ROOT } from '../run/commands.mjs';
import { judge, slice } from './judge.mjs';
import { LAYERS } from './layers.mjs';
import { LAST_RESORT } from './runner.mjs';

const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));

/** Where the runners share how long each file of tests takes. */
const TIMES = join(mkdtempSync(join(tmpdir(), 't2i-mutation-')), 'times.json');
process.once('exit', () => rmSync(dirname(TIMES), { recursive: true }));

const RUNNER = fileURLToPath(new URL('runner.mjs', import.meta.url));

const args = process.argv.slice(2);
const update = args.includes('--update');
const files = args.filter((arg) => arg.endsWith('.ts'));
const names = args.filter((arg) => arg !== '--update' && !files.includes(arg));
const layers = LAYERS.filter(({ name }) => names.length === 0 || names.includes(name));
if (layers.length < names.length || (files.length > 0 && layers.length !== 1)) {
  const known = LAYERS.map(({ name }) => name).join(', ');
  console.error(`expected layers (${known}), or one layer and files of it, received ${args.join(' ')}`);
  process.exit(2);
}

const missing = layers.flatMap(({ built = [] }) => built).filter(({ file }) => !existsSync(join(ROOT, file)));
if (missing.length > 0) {
  // Tests that are skipped see no mutant: the score would fall, and nobody would know why.
  for (const { file, command } of missing)
    console.error(`${file} is missing, which the tests need: run \`${command}\``);
  process.exit(2);
}

const baseline = read('baseline.json');
const equal = read('equal.json');
for (const { name, mutate: patterns, tests, built = [], aim } of layers) {
  const { score: floor = 0, files: measured } = baseline[name] ?? {};
  const alone = files.length > 0;
  if (alone && update && measured === undefined) {
    console.error(`--update of single files needs a layer that was measured whole: run ${name} first`);
    process.exit(2);
  }
  const mutants = await mutate(alone ? files : patterns, tests, built);
  const verdict =
    alone && measured === undefined
      ? judge(mutants, equal, 0)
      : judge(mutants, equal, floor, alone ? standing(measured) : {});
  console.log(
    `\n${name}: ${verdict.score.toFixed(1)} % of ${verdict.total} seen, ${hung(mutants)} as tests hung, aim ${aim} %`,
  );
  for (const line of verdict.lines) console.log(line);
  if (verdict.fell) process.exitCode = 1;
  if (update && !verdict.fell) record(name, verdict);
}

/** Of what was measured, the files that are still there. */
function standing(counts) {
  return Object.fromEntries(Object.entries(counts).filter(([file]) => existsSync(join(ROOT, file))));
}

/** At once: what comes after it may take long, and fail. */
function record(name, { score, total, files: counts }) {
  const sorted = Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
  baseline[name] = { score, mutants: total, files: sorted };
  const text = JSON.stringify(baseline, null, 2).replace(/\[\s+(\d+),\s+(\d+)\s+\]/g, '[$1, $2]');
  writeFileSync(new URL('baseline.json', import.meta.url), `${text}\n`);
}

/** How many were seen by the time that a test may take alone: many more than before tell of a busy machine. */
function hung(mutants) {
  return mutants.filter(
    ({ status, statusReason = '' }) => status === 'Timeout' || /timed out in \d+ms/.test(statusReason),
  ).length;
}

async function mutate(patterns, tests, built) {
  const folders = built.map(({ folder }) => folder);
  process.env.T2I_MUTATION_TESTS = tests.join(',');
  process.env.T2I_MUTATION_TIMES = TIMES;
  writeFileSync(TIMES, '{}');
  const results = await new Stryker({
    mutate: [...patterns],
    testRunner: 'kept',
    plugins: ['@stryker-mutator/vitest-runner', RUNNER],
    vitest: { configFile: 'test/mutation/vitest-config.ts', related: false },
    coverageAnalysis: 'perTest',
    // One more than there are cores: what hangs only waits.
    concurrency: 3,
    timeoutMS: LAST_RESORT,
    timeoutFactor: 1,
    // What runs as a module is loaded would need every test for each mutant. What a message says is for people to judge.
    ignoreStatic: true,
    mutator: { excludedMutations: ['StringLiteral'] },
    // The tests read fixtures, the default model and documents, and of what is built only the server's page, its admin thread, and what the layer names.
    ignorePatterns: ['build', '.git', ...(folders.includes('dist') ? ['dist'] : ['dist/**', '!dist/server/**'])],
    // Links, since copies lose the links within: the version of a library is in the name that those lead to. No shell reads the command.
    ...(folders.length > 0 && { buildCommand: `ln -s ${folders.map(escaped).join(' ')} .` }),
    tempDirName: '.stryker-tmp',
    reporters: ['progress'],
    allowConsoleColors: false,
  }).runMutationTest();
  return results.map((result) => ({
    ...result,
    file: relative(ROOT, result.fileName),
    original: slice(readFileSync(result.fileName, 'utf8'), result.location),
  }));
}

/** The path of a folder, as a word of a command. */
function escaped(folder) {
  return join(ROOT, folder).replaceAll(' ', '\\ ');
}
