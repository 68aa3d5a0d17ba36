import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

const ENTRY = new URL('../../dist/index.js', import.meta.url).href;
const SERVER = new URL('../../dist/server/index.js', import.meta.url).href;
const ENCODE = new URL('../../dist/image/encode.js', import.meta.url).href;

/** Runs a module in a node of its own and lists every file outside the package that it loaded, ES module or native. */
function loadedBy(source: string): string[] {
  const hook = `import { writeSync } from 'node:fs';
    export async function resolve(specifier, context, next) {
      const found = await next(specifier, context);
      writeSync(1, found.url + '\\n');
      return found;
    }`;
  const script = `import { register, createRequire } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
    await import('data:text/javascript,' + encodeURIComponent(${JSON.stringify(source)}));
    const native = process.report.getReport().sharedObjects.filter((path) => path.endsWith('.node'));
    console.log([...Object.keys(createRequire(import.meta.url).cache), ...native].join('\\n'));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--no-warnings', '-e', script], {
    encoding: 'utf8',
  });
  return output.split('\n').filter((line) => /node_modules|\.node$/.test(line));
}

describe("import '@t2i/sdk/server'", () => {
  it('loads what serves, and neither clients of clouds, nor an image codec, nor a runtime', () => {
    const loaded = loadedBy(`import ${JSON.stringify(SERVER)};`);
    expect(loaded).toContainEqual(expect.stringMatching(/node_modules\/hono\//));
    expect(loaded.filter((path) => /aws-sdk|smithy|huggingface|sharp|onnxruntime|\.node$/.test(path))).toEqual([]);
  });

  it('gives exactly the public names', () => {
    const script = `console.log(Object.keys(await import(${JSON.stringify(SERVER)})).sort().join(' '))`;
    const names = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).trim();
    expect(names).toBe('createServer createWorker listen');
  });
});

describe("import '@t2i/sdk'", () => {
  it('loads no dependency', () => {
    expect(loadedBy(`import ${JSON.stringify(ENTRY)};`)).toEqual([]);
  });

  it('would be caught if it did: encoding an image loads sharp', () => {
    const loaded = loadedBy(
      `import { encodeImage } from ${JSON.stringify(ENCODE)};
       await encodeImage({ rgb: new Uint8Array(3), width: 1, height: 1 }, null);`,
    );
    expect(loaded).toContainEqual(expect.stringMatching(/node_modules\/sharp\/.*js$/));
    expect(loaded).toContainEqual(expect.stringMatching(/sharp.*\.node$/));
  });

  it('gives exactly the public names', () => {
    const script = `console.log(Object.keys(await import(${JSON.stringify(ENTRY)})).sort().join(' '))`;
    const names = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).trim();
    expect(names).toBe(
      'ERROR_CODES GeneratedImage IMAGE_FORMATS Pipeline T2IError TOLERANCE encodeImage optionsOfReceipt readReceipt verifyImage',
    );
  });
});
