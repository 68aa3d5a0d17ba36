// Copies the CPU runtime that ships, prebuilds/onnxruntime-node, out of the development dependency of that name: for every
// platform the binding and its library, without the install script, which fetches CUDA libraries, and without what only other
// execution providers load (DirectML, WebGPU). `npm run build` runs it; it does nothing where the copy is up to date.
import {
  chmodSync,
  constants,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const PREBUILDS = fileURLToPath(new URL('../../prebuilds', import.meta.url));
const PACKAGE = 'onnxruntime-node';
/** Of each platform's folder: the addon, and the library that it is linked with. */
const BINDING = 'onnxruntime_binding.node';
const LIBRARY = /^(libonnxruntime\.so\.1|libonnxruntime\.1\.dylib|onnxruntime\.dll)$/;

/** Paths of the files that ship, from the package's root, with forward slashes. */
function filesThatShip(source) {
  const files = readdirSync(source, { recursive: true }).map((path) => path.split(sep).join('/'));
  const folders = files.filter((path) => basename(path) === BINDING).map((path) => dirname(path));
  const binaries = folders.flatMap((folder) => {
    const libraries = files.filter((path) => dirname(path) === folder && LIBRARY.test(basename(path)));
    if (libraries.length !== 1)
      throw new Error(`${folder}: expected one library beside ${BINDING}, found ${libraries.length}`);
    return [`${folder}/${BINDING}`, ...libraries];
  });
  if (binaries.length === 0) throw new Error(`${source} holds no ${BINDING}`);
  return [...files.filter((path) => /^dist\/[^/]*\.js$/.test(path)), ...binaries].sort();
}

/** The package.json of the copy: what Node and receipts read, and the list of the files. */
function manifestOf(source) {
  const { name, version, description, author, license, main } = JSON.parse(
    readFileSync(join(source, 'package.json'), 'utf8'),
  );
  const files = filesThatShip(source);
  return `${JSON.stringify({ name, version, description, author, license, main, private: true, files }, null, 2)}\n`;
}

function isCurrent(target, manifest) {
  try {
    return readFileSync(join(target, 'package.json'), 'utf8') === manifest;
  } catch {
    return false;
  }
}

/** Copies into a folder beside the target and renames it, so that a kill leaves nothing that looks whole. */
function copyRuntime() {
  const source = dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`));
  const target = join(PREBUILDS, PACKAGE);
  const manifest = manifestOf(source);
  if (isCurrent(target, manifest)) return;
  mkdirSync(PREBUILDS, { recursive: true });
  const scratch = mkdtempSync(join(PREBUILDS, `.${PACKAGE}-`));
  try {
    for (const file of JSON.parse(manifest).files) {
      cpSync(join(source, file), join(scratch, file), { mode: constants.COPYFILE_FICLONE });
    }
    writeFileSync(join(scratch, 'package.json'), manifest);
    // As every folder of a clone; a scratch one is its owner's alone.
    chmodSync(scratch, 0o755);
    rmSync(target, { recursive: true, force: true });
    renameSync(scratch, target);
  } catch (error) {
    // Another process may have been faster; what it made is the same.
    if (!isCurrent(target, manifest)) throw error;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

copyRuntime();
