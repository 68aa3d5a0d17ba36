// `npm run test:changed [-- REVISION]`: the checks that can be touched by what changed since HEAD, or since REVISION; files that git
// does not know yet count. A quick look before `npm test`, not in place of it. No dependencies.
import { execFileSync } from 'node:child_process';
import { changedSteps } from './run/changed-steps.mjs';
import { ROOT } from './run/commands.mjs';
import { main } from './run/main.mjs';

const git = (...args) =>
  execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' })
    .split('\0')
    .filter((path) => path !== '');
const since = process.argv[2] ?? 'HEAD';
const files = [
  ...git('diff', '--name-only', '-z', since, '--'),
  ...git('ls-files', '--others', '--exclude-standard', '-z'),
];
console.log(`${files.length} files changed since ${since}`);
await main((scratch) => changedSteps(files, scratch));
