/**
 * Do the core's tests notice small faults? Each of native.json is put into a copy of native/ in build/mutation, core_tests is built with it
 * and run:
 *
 *     node test/mutation/native.mjs              every fault
 *     node test/mutation/native.mjs step.h       those whose file or reason holds these words
 *
 * Exits with 1 where a fault passes that no `equal` explains, where an `equal` one is noticed after all, or where the list no longer fits
 * the code. Needs what `node native/tools/build.mjs sim` needs.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../run/commands.mjs';

const COPY = join(ROOT, 'build', 'mutation');
const BUILD = join(COPY, 'build');
/** A fault may hang the tests: then it is noticed. */
const LONGEST_MS = 300_000;

/** @typedef {{ file: string, from: string, to: string, why: string, equal?: string }} Fault */

/**
 * native/ as it stands, and links to what CMake reads besides it. Only files that differ are written, so that what was built before is
 * built again where it must be, and kept where it need not.
 */
function makeCopy() {
  const [from, to] = [ROOT, COPY].map((folder) => join(folder, 'native'));
  const differs = (source, target) =>
    statSync(source).isDirectory() || !existsSync(target) || !readFileSync(source).equals(readFileSync(target));
  cpSync(from, to, { recursive: true, filter: differs });
  for (const name of readdirSync(to, { recursive: true })) {
    if (!existsSync(join(from, name))) rmSync(join(to, name), { recursive: true, force: true });
  }
  for (const name of ['CMakeLists.txt', 'package.json', 'test']) {
    if (!existsSync(join(COPY, name))) symlinkSync(join(ROOT, name), join(COPY, name));
  }
}

/** @param {string} command @param {string[]} args */
function run(command, args) {
  return spawnSync(command, args, { encoding: 'utf8', timeout: LONGEST_MS, killSignal: 'SIGKILL' });
}

const builds = () => run('cmake', ['--build', BUILD, '--target', 'core_tests']);
const tests = () => run(join(BUILD, 'core_tests'), ['--gtest_brief=1', '--gtest_fail_fast']);

/** What became of a fault. @param {Fault} fault */
function outcome({ file, from, to }) {
  const path = join(COPY, file);
  const text = readFileSync(path, 'utf8');
  if (text.split(from).length !== 2) return 'does not fit the code';
  writeFileSync(
    path,
    text.replace(from, () => to),
  );
  try {
    if (builds().status !== 0) return 'does not compile';
    return tests().status === 0 ? 'passes' : 'noticed';
  } finally {
    writeFileSync(path, text);
  }
}

/** @type {Fault[]} */
const every = JSON.parse(readFileSync(new URL('native.json', import.meta.url), 'utf8'));
const words = process.argv.slice(2).join(' ');
const faults = every.filter(({ file, why }) => `${file} ${why}`.includes(words));
makeCopy();
const options = ['-DT2I_DEVICE=sim', '-DT2I_TESTS=ON', '-DCMAKE_BUILD_TYPE=Release'];
const ready = [run('cmake', ['-S', COPY, '-B', BUILD, ...options]), run('cmake', ['--build', BUILD])];
const broken = ready.find(({ status }) => status !== 0) ?? (tests().status === 0 ? undefined : tests());
if (broken) {
  console.error(`${broken.stdout}${broken.stderr}\nwithout a fault the core does not build or its tests fail`);
  process.exit(1);
}
let wrong = faults.length === 0 ? 1 : 0;
for (const fault of faults) {
  const found = outcome(fault);
  const right = found === (fault.equal === undefined ? 'noticed' : 'passes');
  if (!right) wrong++;
  console.log(
    `${right ? 'ok   ' : 'WRONG'} ${found}: ${fault.file}: ${fault.why}${fault.equal ? ` (${fault.equal})` : ''}`,
  );
}
console.log(`${faults.length} faults, ${wrong} wrong`);
process.exit(wrong === 0 ? 0 : 1);
