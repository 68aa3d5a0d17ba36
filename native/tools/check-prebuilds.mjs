// `npm pack` and `npm publish` run this: a package without the addon that ships installs and draws on the CPU, so that nobody
// would notice. Packing goes on and says so; publishing ends.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ADDON = fileURLToPath(new URL('../../prebuilds/linux-x64/t2i.node', import.meta.url));

/**
 * What is wrong with the addon that would ship, as a clause, or null.
 *
 * @param {string} path
 * @param {string} version of the package
 */
export function prebuildProblem(path, version) {
  if (!existsSync(path)) return 'is missing';
  // Its own system alone can load it.
  if (`${process.platform}-${process.arch}` !== 'linux-x64') return null;
  try {
    const addon = createRequire(import.meta.url)(path);
    if (addon.version !== version) return `was built for version ${addon.version}, this is ${version}`;
    return addon.devices().kind === 'cuda' ? null : 'was built without CUDA kernels';
  } catch (error) {
    return `cannot be loaded: ${error.message}`;
  }
}

function main() {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const problem = prebuildProblem(ADDON, version);
  if (problem === null) return;
  console.error(
    `${ADDON} ${problem}: the package will run on CPUs only. \`npm run prebuilds\` makes it, see CONTRIBUTING.md.`,
  );
  if (process.env.npm_command === 'publish') process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main();
