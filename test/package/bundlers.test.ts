import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeBlocks } from '../support/markdown.js';
import { QUICK_AND_QUIET } from './install-package.mjs';
import { InstalledPackage } from './installed-package.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TINY = JSON.stringify(join(ROOT, 'test/fixtures/tiny'));
const PAGE = readFileSync(join(ROOT, 'docs/bundlers.md'), 'utf8');
const DRAW = `const t2i = await Pipeline.load({ model: ${TINY} });
  const { images } = await t2i.generate({ prompt: 'a red apple', seed: 7, steps: 2 });
  const [image] = images;
  const bytes = Buffer.from(await image.toBuffer());
  await t2i.close();`;
const PROGRAM = `import { Pipeline } from '@t2i/sdk';
  ${DRAW}
  console.log(bytes.toString('latin1', 1, 4));`;

/** The command of a section of the page, as it stands there. */
const commandOf = (tool: string) => {
  const block = codeBlocks(PAGE, 'sh').find((text) => text.includes(`npx ${tool}`));
  return (block as string).trim();
};

let installed: InstalledPackage;

function shell(command: string) {
  // Other flags would hide those of the page.
  const env = { ...process.env, NODE_OPTIONS: '' };
  return spawnSync('sh', ['-c', command], { cwd: installed.folder, env, encoding: 'utf8' });
}

beforeAll(() => {
  installed = InstalledPackage.install();
  installed.npm('install', ...QUICK_AND_QUIET, 'esbuild@0.28.2', 'jest@30.5.2');
  writeFileSync(join(installed.folder, 'app.mjs'), PROGRAM);
}, 300_000);

afterAll(() => installed?.remove());

describe('with esbuild', () => {
  it('a bundle with the line of the page draws', () => {
    expect(shell(`${commandOf('esbuild')} && node out.mjs`)).toMatchObject({ status: 0, stdout: 'PNG\n' });
  }, 300_000);

  it.each(['esm', 'cjs'])(
    'a bundle in %s with the package inside says at once what to do',
    (format) => {
      writeFileSync(
        join(installed.folder, 'imports.mjs'),
        "import { Pipeline } from '@t2i/sdk';\nconsole.log(Pipeline);",
      );
      const out = `inside.${format === 'esm' ? 'mjs' : 'cjs'}`;
      const bundle = `npx esbuild imports.mjs --bundle --platform=node --format=${format} --outfile=${out}`;
      const { status, stdout, stderr } = shell(`${bundle} --log-level=error && node ${out}`);
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr).toMatch(/T2IError: @t2i\/sdk cannot run from within a bundle/);
      expect(stderr).toContain('--external:@t2i/sdk');
    },
    300_000,
  );
});

describe('with Jest', () => {
  it('a test draws with the line of the page', () => {
    mkdirSync(join(installed.folder, 'tests'));
    const test = `import { Pipeline } from '@t2i/sdk';
      test('draws', async () => {
        ${DRAW}
        expect(bytes.toString('latin1', 1, 4)).toBe('PNG');
      }, 300_000);`;
    writeFileSync(join(installed.folder, 'tests/draw.test.mjs'), test);
    const { status, stderr } = shell(commandOf('jest'));
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    expect(stderr).toContain('Tests:       1 passed, 1 total');
  }, 300_000);
});

it('can be required from CommonJS', () => {
  writeFileSync(join(installed.folder, 'app.cjs'), "console.log(typeof require('@t2i/sdk').Pipeline.load);");
  expect(installed.node('app.cjs')).toBe('function\n');
});
