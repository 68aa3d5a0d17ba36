import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isOfSpace, spaceSources } from '../../../../src/ops/hub/space-sources.js';
import { write } from './tiny-promoted.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-space-sources-'));
  write(folder, { Dockerfile: 'FROM scratch', 'README.md': '---\nsdk: docker\n---\n' });
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the files of a Space', () => {
  it('are those of its folder, by their paths in it', async () => {
    write(folder, { 'app/main.py': 'print()' });
    expect([...(await spaceSources(folder))]).toEqual(
      ['Dockerfile', 'README.md', 'app/main.py'].map((path) => [path, join(folder, path)]),
    );
  });

  it.each([
    ...['.env', '.env.local', 'app/.env', '.git/config', 'app/.git/HEAD', '.venv/bin/python', 'venv/pyvenv.cfg'],
    ...['node_modules/a/index.js', 'app/__pycache__/main.cpython-312.pyc', 'main.pyc', '.pyc', 'app/.DS_Store'],
  ])('are not %s', async (path) => {
    write(folder, { [path]: 'x' });
    expect([...(await spaceSources(folder)).keys()]).toEqual(['Dockerfile', 'README.md']);
  });

  it.each(['.gitignore', 'environment.yml', 'app/env.py', 'my.git/a', 'main.pyc.txt', 'venv.md', 'a.env'])(
    'are %s as well',
    async (path) => {
      write(folder, { [path]: 'x' });
      expect([...(await spaceSources(folder)).keys()]).toContain(path);
    },
  );

  it.each([
    ['nowhere', /There is no folder .*nowhere/, /--folder DIR/],
    ['Dockerfile', /There is no folder .*Dockerfile/, /--folder DIR/],
    ['app', /Docker Space: Dockerfile and README\.md missing/, /sdk: docker/],
    ['half', /Docker Space: README\.md missing/, /sdk: docker/],
  ])('are not those of %s, with a hint', async (name, message, hint) => {
    write(folder, { 'app/main.py': 'print()', 'half/Dockerfile': 'FROM scratch' });
    await expect(spaceSources(join(folder, name))).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });

  it('that are gone from the folder go, but not what the Hub makes itself', () => {
    expect(['app/old.py', 'sub/.gitattributes', '.gitattributes'].map(isOfSpace)).toEqual([true, true, false]);
  });
});
