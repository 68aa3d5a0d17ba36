import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadAddon } from '../../../../src/backends/tensorrt/addon.js';

describe('loadAddon', () => {
  let root: string;
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    return join(root, path);
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 't2i-addon-'));
    write('package.json', JSON.stringify({ name: '@t2i/sdk', version: '1.2.3' }));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const failure = (search: Parameters<typeof loadAddon>[0]) => {
    try {
      loadAddon(search);
    } catch (error) {
      return error as { code: string; message: string; hint: string };
    }
    throw new Error('it was loaded');
  };

  it('takes the file that T2I_ADDON names and no other', () => {
    write('prebuilds/linux-x64/@t2i+sdk.node', 'never opened');
    const path = write('mine.cjs', 'exports.version = "1.2.3";');
    expect(loadAddon({ env: { T2I_ADDON: path }, root })).toEqual({ addon: { version: '1.2.3' }, path });
    const { code, message, hint } = failure({ env: { T2I_ADDON: join(root, 'gone.node') }, root });
    expect(code).toBe('BACKEND_UNAVAILABLE');
    expect(message).toBe(`The native addon cannot be loaded. Tried ${join(root, 'gone.node')}: no such file`);
    expect(hint).toContain('T2I_ADDON');
  });

  it('refuses one of another version and names both', () => {
    const path = write('old.cjs', 'exports.version = "1.2.2";');
    expect(failure({ env: { T2I_ADDON: path }, root })).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/built for @t2i\/sdk 1\.2\.2, this is 1\.2\.3$/),
    });
  });

  it('says of every place what was wrong there, in order, and what helps', () => {
    write('prebuilds/linux-x64/@t2i+sdk.node', 'no library'.repeat(10));
    write('build/cuda/Release/t2i.node', '');
    const { code, message, hint } = failure({ env: {}, platform: 'linux-x64', root });
    expect(code).toBe('BACKEND_UNAVAILABLE');
    expect(message).toMatch(
      /linux-x64\/@t2i\+sdk\.node: invalid ELF header; .*cuda\/Release\/t2i\.node: file too short; .*none\/Release\/t2i\.node: no such file$/,
    );
    expect(hint).toMatch(/npm install @t2i\/sdk.*build\.mjs cuda/);
  });

  it.skipIf(`${process.platform}-${process.arch}` !== 'linux-x64')(
    'is of this machine where nothing else is said',
    () => {
      const path = write('prebuilds/linux-x64/@t2i+sdk.node', 'no library');
      write('prebuilds/linux-x64/README.md', 'never opened');
      const { message } = failure({ env: {}, root });
      expect(message).toContain(path);
      expect(message).not.toContain('README');
    },
  );

  it('says that nothing was shipped where nothing was', () => {
    expect(failure({ env: {}, platform: 'linux-x64', root }).message).toMatch(/prebuilds\/linux-x64: no such file; /);
  });

  it.each(['darwin-arm64', 'win32-x64', 'linux-arm64'])(
    'knows that %s has none and names what runs there',
    (platform) => {
      write('build/none/Release/t2i.node', 'never opened');
      expect(failure({ env: {}, platform, root })).toMatchObject({
        code: 'BACKEND_UNAVAILABLE',
        message: expect.stringContaining(platform),
        hint: expect.stringContaining('onnxruntime'),
      });
    },
  );
});
