import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';

/** @import { Reporter } from 'vitest/node' */
/** @import { VitestFile } from './counts.mjs' */

/**
 * Writes what the report of `npm test` needs of a vitest run, file by file, into the JSON file that T2I_VITEST_REPORT names.
 *
 * @implements {Reporter}
 */
export default class VitestReporter {
  onTestRunEnd(modules) {
    const files = modules.map(readModule);
    if (process.env.T2I_VITEST_REPORT) writeFileSync(process.env.T2I_VITEST_REPORT, JSON.stringify(files));
  }
}

/** @returns {VitestFile} */
function readModule(module) {
  const tests = [...module.children.allTests()].map((test) => {
    const { state, note, errors } = test.result();
    return { name: test.fullName, state, message: errors?.[0]?.message, reason: note ?? test.meta().lacks };
  });
  return {
    file: relative(process.cwd(), module.moduleId),
    seconds: module.diagnostic().duration / 1000,
    // A file that cannot be loaded, or whose hooks fail.
    broken: module.state() === 'failed',
    message: module.errors()[0]?.message,
    tests,
  };
}
