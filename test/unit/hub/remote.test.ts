import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { fileAddress, hintFor, readCommit, readTree } from '../../../src/hub/remote.js';
import { answer } from '../../support/fake-server.js';
import { at, flowers, freshHub, settings } from './pulling.js';

freshHub();

const reference = (revision = 'main') => ({ repo: 'tester/flowers', revision });
const id = 'a'.repeat(40);
const list = (entries: unknown) => at.hub.api.fail(/tree/, (response) => answer(response, 200, entries));

describe('the address of a file', () => {
  it.each([
    ['models', 'https://hub.example/a/b/resolve/v1/unet/a%20b%23.onnx'],
    ['spaces', 'https://hub.example/spaces/a/b/resolve/v1/unet/a%20b%23.onnx'],
  ] as const)('of %s is %s', (kind, address) => {
    const hub = { ...settings(), endpoint: 'https://hub.example' };
    expect(fileAddress(hub, 'a/b', 'v1', 'unet/a b#.onnx', kind)).toBe(address);
  });
});

describe('the hint', () => {
  it.each([
    [401, {}, /^There is no .*\/a\/b, or it is private: .*HF_TOKEN/],
    [401, { authorization: 'Bearer hf_x' }, /valid: .*\/settings\/tokens$/],
    [403, {}, /terms of the repository at .*\/a\/b,/],
    [404, {}, /revision at .*\/a\/b;/],
    [500, {}, undefined],
    [402, {}, undefined],
  ])('for %s with %j is %s', (status, headers, says) => {
    const hint = hintFor(settings(), 'a/b', headers)(status);
    if (says === undefined) expect(hint).toBeUndefined();
    else expect(hint).toMatch(says);
  });

  it('of a Space names the page of a Space, wherever it was asked', async () => {
    at.hub.add('tester/show', {}, 'spaces');
    const page = `${settings().endpoint}/spaces/tester/show`;
    const show = { repo: 'tester/show', revision: 'main' };
    for (const ask of [readCommit, readTree]) {
      at.hub.api.fail(/spaces/, (response) => answer(response, 403));
      await expect(ask(settings(), show, 'spaces')).rejects.toMatchObject({ hint: expect.stringContaining(page) });
    }
  });
});

describe('a repository', () => {
  it('is read at a revision whose name has a slash', async () => {
    const fetched = vi.spyOn(globalThis, 'fetch');
    onTestFinished(() => fetched.mockRestore());
    flowers().tags.set('refs/pr/1', flowers().head.id);
    expect(await readCommit(settings(), reference('refs/pr/1'))).toBe(flowers().head.id);
    expect(`${fetched.mock.calls[0]?.[0]}`).toMatch(/\/revision\/refs%2Fpr%2F1$/);
  });

  it('has files with the size and the hash of what LFS keeps, and no folders', async () => {
    const lfs = { oid: 'b'.repeat(64), size: 5000 };
    list([
      { type: 'directory', path: 'unet', size: 0, oid: id },
      { type: 'submodule', path: 'other', size: 0, oid: id },
      { type: 'file', path: 'small', size: 3, oid: id, lfs: null },
      { type: 'file', path: 'large', size: 130, oid: id, lfs },
    ]);
    expect(await readTree(settings(), reference())).toEqual([
      { path: 'small', bytes: 3, sha256: null, gitId: id },
      { path: 'large', bytes: 5000, sha256: lfs.oid, gitId: id },
    ]);
  });

  it.each([
    ['no list', { error: 'x' }, /it: /],
    ['a hash that is none', [{ type: 'file', path: 'a', size: 1, oid: `${id}0` }], /0\.oid: /],
    ['a hash of LFS that is none', [{ type: 'file', path: 'a', oid: id, lfs: { oid: id, size: 1 } }], /0\.lfs\.oid: /],
    ['a negative size', [{ type: 'file', path: 'a', oid: id, lfs: { oid: 'b'.repeat(64), size: -1 } }], /0\.lfs\.size/],
    ['no path', [{ type: 'file', oid: id }], /0\.path: /],
  ])('that answers with %s is refused, and is not asked again', async (_, entries, says) => {
    list(entries);
    await expect(readTree(settings(), reference())).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringMatching(says),
      hint: 'Check HF_ENDPOINT.',
    });
    expect(at.hub.api.requests).toHaveLength(1);
  });

  it.each([`${id}0`, 'A'.repeat(40), '', 7])('whose commit is %j is refused', async (sha) => {
    at.hub.api.fail(/revision/, (response) => answer(response, 200, { sha }));
    await expect(readCommit(settings(), reference())).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringContaining('answered with what the Hub does not: sha: '),
    });
  });

  const paged = (link: (page: number) => string | undefined) => {
    let page = 0;
    const respond = (response: Parameters<typeof answer>[0]) => {
      const next = link(++page);
      const headers: Record<string, string> = next === undefined ? {} : { link: next };
      answer(response, 200, [{ type: 'file', path: `${page}`, size: 1, oid: id }], headers);
    };
    at.hub.api.fail(/tree/, respond, Number.POSITIVE_INFINITY);
  };

  it.each(['</tree/x>; rel="next"', '</tree/x>;rel=next', '</tree/x>;  rel="next"; title="x"'])(
    'may be listed in pages, the next of which is told as %s',
    async (link) => {
      paged((page) => (page === 1 ? link : undefined));
      const files = await readTree(settings(), reference());
      expect(files.map(({ path }) => path)).toEqual(['1', '2']);
      expect(at.hub.api.requests[1]?.path).toBe('/tree/x');
    },
  );

  it.each(['<http://127.0.0.1:9/tree>; rel="next"', '<http://[/tree>; rel="next"'])(
    'is not listed on another server: %s',
    async (link) => {
      paged(() => link);
      await expect(readTree(settings(), reference())).rejects.toMatchObject({
        code: 'REMOTE_REFUSED',
        hint: 'Check HF_ENDPOINT.',
      });
    },
  );

  it('that is listed without end is given up', async () => {
    paged((page) => `</tree/${page}>; rel="next"`);
    await expect(readTree(settings(), reference())).rejects.toMatchObject({
      code: 'DOWNLOAD_INVALID',
      message: expect.stringContaining('without end'),
      hint: expect.any(String),
    });
  });

  it('has at most 20,000 files', async () => {
    const files = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ type: 'file', path: `${at}`, oid: id }));
    list(files(20_000));
    expect(await readTree(settings(), reference())).toHaveLength(20_000);
    list(files(20_001));
    await expect(readTree(settings(), reference())).rejects.toMatchObject({
      code: 'DOWNLOAD_INVALID',
      message: 'tester/flowers has more than 20000 files, or lists them without end',
    });
  });
});
