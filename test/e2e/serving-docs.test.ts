import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { codeBlocks } from '../support/markdown.js';
import { memoryServer } from '../support/memory-server.js';
import { scratchFolder } from '../support/scratch.js';
import { startServe } from '../support/serve-process.js';
import { noCommand, noPosix, skipFor } from '../support/skip-for.js';

const run = promisify(execFile);
const PAGE = readFileSync(fileURLToPath(new URL('../../docs/serving.md', import.meta.url)), 'utf8');
const KEY = 'a-key-that-is-long-enough';

/** The blocks that send requests, each a script whose lines go together. */
const scripts = codeBlocks(PAGE, 'sh').filter((block) => /^\s*(curl|printf|JOB=)/m.test(block));

describe('docs/serving.md', () => {
  it('shows every route', async () => {
    const server = await memoryServer({ imageStore: { dir: scratchFolder('t2i-serving-docs-'), ttl: 1000 } });
    const routes = [server.app, server.admin].flatMap(({ routes }) => routes.map(({ path }) => path));
    const paths = new Set(
      routes.filter((path) => path !== '/*' && path !== '*' && !/^\/($|page\/)|\/files\//.test(path)),
    );
    expect(paths.size).toBeGreaterThan(20);
    for (const path of paths) {
      const shown = new RegExp(
        path
          .replaceAll('.', '\\.')
          .replace(/:(\w+)/g, '(?:tiny|\\$JOB)')
          .concat('(?=[ \\n|])'),
      );
      expect(
        scripts.some((script) => shown.test(script)),
        path,
      ).toBe(true);
    }
  });

  it('shows requests that work', skipFor(noPosix, noCommand('curl')), async () => {
    const folder = scratchFolder('t2i-serving-docs-');
    const file = join(folder, 'keys.txt');
    writeFileSync(file, `${KEY}\n`);
    const { url, adminUrl, child } = await startServe([
      ...['--api-key-file', file, '--image-store', join(folder, 'images')],
    ]);
    expect(scripts.length).toBeGreaterThan(4);
    for (const script of scripts) {
      const env = { ...process.env, URL: url, ADMIN: adminUrl, KEY };
      const options = { cwd: folder, env, maxBuffer: 64 << 20 };
      const { stdout } = await run('bash', ['-e', '-o', 'pipefail', '-c', script], options);
      expect(stdout.length).toBeGreaterThan(0);
    }
    child.kill('SIGKILL');
  });
});
