// Publishes the engine of a file again and again under a name of the same folder, until it is killed.
//
//     node write-engines.mjs SOURCE TARGET
import { readEngineFile, writeEngineFile } from '../../dist/backends/tensorrt/engines/engine-file.js';

const [source, target] = process.argv.slice(2);
const engine = await readEngineFile(source);
for (;;) await writeEngineFile(target, engine);
