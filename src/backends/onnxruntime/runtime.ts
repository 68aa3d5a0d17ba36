import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Runtime } from './port.js';

const require = createRequire(import.meta.url);
/** The copy that ships: onnxruntime-node without its install script. The same from src/ and from dist/. */
const FOLDER = fileURLToPath(new URL('../../../prebuilds/onnxruntime-node', import.meta.url));

/**
 * Loads the CPU runtime into this process.
 *
 * @throws Error that says why, for example that there is no binary for this platform
 */
export function loadRuntime({ platform, arch }: { platform: string; arch: string } = process): Runtime {
  if (existsSync(FOLDER) && !existsSync(join(FOLDER, 'bin/napi-v6', platform, arch))) {
    throw new Error(`there is no binary for ${platform} ${arch}`);
  }
  return require(FOLDER) as Runtime;
}

/** Name and version of the runtime, for example `onnxruntime-node 1.30.0`. */
export function runtimeVersion(): string {
  const { name, version } = require(`${FOLDER}/package.json`) as { name: string; version: string };
  return `${name} ${version}`;
}
