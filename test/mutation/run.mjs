// `npm run test:mutation [-- LAYER ... | LAYER FILE ...] [--update]`: breaks src/ in small ways, one at a time, and says which of them no test sees.
//
// A layer may not fall below its score in baseline.json; --update raises it there. A mutant that changes nothing that can be seen is listed in
// equal.json with the reason. Takes from minutes to an hour a layer: it is no part of `npm test`.
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { Stryker } from '@stryker-mutator/core';
import { ROOT } from '../run/commands.mjs';
import { judge, slice } from './judge.mjs';
import { LAYERS } from './layers.mjs';

const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));

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

const baseline = read('baseline.json');
const equal = read('equal.json');
for (const layer of layers) {
  const mutants = await mutate(layer, files.length > 0 ? files : layer.mutate);
  const verdict = judge(mutants, equal, baseline[layer.name]?.score ?? 0);
  console.log(
    `\n${layer.name}: ${verdict.score.toFixed(1)} % of ${verdict.total} seen, ${hung(mutants)} as tests hung, aim ${layer.aim} %`,
  );
  for (const line of verdict.lines) console.log(line);
  if (files.length > 0) continue;
  if (verdict.fell) process.exitCode = 1;
  if (update && !verdict.fell) baseline[layer.name] = { score: verdict.score, mutants: verdict.total };
}
if (update) writeFileSync(new URL('baseline.json', import.meta.url), `${JSON.stringify(baseline, null, 2)}\n`);

/** How many were seen by the time that a test may take alone: many more than before tell of a busy machine. */
function hung(mutants) {
  return mutants.filter(
    ({ status, statusReason = '' }) => status === 'Timeout' || /timed out in \d+ms/.test(statusReason),
  ).length;
}

async function mutate({ tests }, patterns) {
  process.env.T2I_MUTATION_TESTS = tests.join(',');
  const results = await new Stryker({
    mutate: [...patterns],
    testRunner: 'vitest',
    plugins: ['@stryker-mutator/vitest-runner'],
    vitest: { configFile: 'test/mutation/vitest-config.ts', related: false },
    coverageAnalysis: 'perTest',
    concurrency: 2,
    // A mutant that never yields costs this long; a machine that is busy must not look like one.
    timeoutMS: 60_000,
    // What runs as a module is loaded would need every test for each mutant. What a message says is for people to judge.
    ignoreStatic: true,
    mutator: { excludedMutations: ['StringLiteral'] },
    // The tests read fixtures, the default model and documents, and none of what is built.
    ignorePatterns: ['build', 'dist', '.git'],
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
