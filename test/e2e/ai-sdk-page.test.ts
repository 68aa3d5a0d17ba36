import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readReceipt } from '../../src/image/read-receipt.js';
import { createServer, type Listening, listen, type Server } from '../../src/server/index.js';
import { codeBlocks } from '../support/markdown.js';

const PAGE = readFileSync(new URL('../../docs/ai-sdk.md', import.meta.url), 'utf8');
const SPECIFIERS: Readonly<Record<string, string>> = {
  ai: import.meta.resolve('ai-6'),
  '@t2i/sdk/ai': new URL('../../dist/ai/index.js', import.meta.url).href,
};
const [inProcess, loaded, onServer, ...others] = codeBlocks(PAGE, 'js') as [string, string, string, ...string[]];

describe('the page about the AI SDK', () => {
  let dir: string;
  let server: Server;
  let listening: Listening;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 't2i-page-'));
    server = await createServer({ load: { backend: 'onnxruntime' } });
    listening = await listen(server, { port: 0, adminPort: 0 });
  });
  afterAll(async () => {
    await listening.close();
    await server.close();
    rmSync(dir, { recursive: true });
  });

  /** Runs a block in a folder of its own; what it printed. */
  async function run(block: string): Promise<string> {
    const code = block
      .replace(/from '([^']+)'/g, (all, name) => (SPECIFIERS[name] ? `from '${SPECIFIERS[name]}'` : all))
      .replace('http://127.0.0.1:8080', listening.url);
    writeFileSync(join(dir, 'page.mjs'), code);
    const child = spawn(process.execPath, ['page.mjs'], { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
    const [[status], out, err] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    return out;
  }

  it('has code that is run here, and no other', () => {
    expect(others).toEqual([]);
  });

  it('draws in the process, as it says', async () => {
    expect(await run(inProcess)).toBe('[] [ { seed: 7 }, { seed: 8 } ]\n');
    const receipt = await readReceipt(join(dir, 'apple.png'));
    expect(receipt).toMatchObject({ prompt: 'a red apple', negativePrompt: 'a green apple', seed: 7, width: 128 });
  });

  it('loads a model as it says', async () => {
    expect(await run(loaded)).toBe('image/png\n');
  });

  it('draws on a server, as it says', async () => {
    expect(await run(onServer)).toMatch(/^image\/png \d+\n$/);
  });
});

describe('what is loaded', () => {
  /** Says each module that is loaded, in a process of its own. */
  const SPY = `import { writeSync } from 'node:fs';
    export async function load(url, context, next) { writeSync(1, url + '\\n'); return next(url, context); }`;
  const modulesOf = (path: string) => {
    const code = `import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(process.argv[1]));
      await import(process.argv[2]);`;
    const url = new URL(`../../dist/${path}`, import.meta.url).href;
    return execFileSync(process.execPath, ['--input-type=module', '-e', code, SPY, url], { encoding: 'utf8' });
  };

  it('is no provider, with the package alone', () => {
    expect(modulesOf('index.js')).toContain('/dist/pipeline.js');
    expect(modulesOf('index.js')).not.toContain('/dist/ai/');
  });

  it('is nothing that runs models, with the provider alone', () => {
    expect(modulesOf('ai/index.js')).toContain('/dist/ai/provider.js');
    expect(modulesOf('ai/index.js')).not.toMatch(/pipeline\.js|backends|node_modules/);
  });
});
