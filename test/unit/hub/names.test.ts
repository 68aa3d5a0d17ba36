import { describe, expect, it } from 'vitest';
import { checkFileNames } from '../../../src/hub/file-names.js';
import { checkRepoName, isCommit, isRepoName, isRevision, parseReference } from '../../../src/hub/repo-name.js';

const part = (length: number) => 'a'.repeat(length);

describe('a repository', () => {
  it.each(['a/b', 'me/sd-1.5_x', 'A1/b.c', 'a/b_', `${part(47)}/${part(48)}`, 'a/git', 'a/b.gitx'])(
    'may be %s',
    (name) => {
      expect(isRepoName(name)).toBe(true);
      expect(checkRepoName(name, 'repo')).toBe(name);
    },
  );

  it.each([
    ...['a', 'a/b/c', '/b', 'a/', '-a/b', '_a/b', 'a/.b', 'a/b-', 'a/b.', 'a b/c', 'ä/b', 'a/b\n', ' a/b'],
    ...['a--b/c', 'a..b/c', 'a/b..c', 'a/b.git', `${part(48)}/${part(48)}`],
  ])('may not be %j', (name) => {
    expect(isRepoName(name)).toBe(false);
    expect(() => checkRepoName(name, 'repo')).toThrow(
      /repo: expected OWNER\/NAME of a repository on the Hub, received /,
    );
  });
});

describe('a revision', () => {
  it.each(['main', 'v1.0', 'refs/pr/1', '1+2', 'a', 'x.locks', part(255)])('may be %s', (name) => {
    expect(isRevision(name)).toBe(true);
    expect(parseReference(`a/b@${name}`, 'model')).toEqual({ repo: 'a/b', revision: name });
  });

  it.each(['', '-x', '.x', '/x', 'a..b', 'a//b', 'a/.b', 'a.lock', 'a/', 'a.', 'a b', 'a~1', 'a\n', part(256)])(
    'may not be %j',
    (name) => {
      expect(isRevision(name)).toBe(false);
      expect(() => parseReference(`a/b@${name}`, '--model')).toThrow(/--model: expected OWNER\/NAME or OWNER\/NAME@/);
    },
  );

  it('is main where none is named, and there is one alone', () => {
    expect(parseReference('a/b', 'model')).toEqual({ repo: 'a/b', revision: 'main' });
    expect(() => parseReference('a/b@v1@v2', 'model')).toThrow(/received/);
  });

  it.each([
    ['0123456789abcdef'.repeat(3).slice(0, 40), true],
    ['0123456789ABCDEF'.repeat(3).slice(0, 40), false],
    ['a'.repeat(39), false],
    ['a'.repeat(41), false],
    [`${'a'.repeat(40)}\n`, false],
  ])('%j is a commit: %s', (name, is) => {
    expect(isCommit(name)).toBe(is);
  });
});

describe('the name of a file', () => {
  const check = (...paths: string[]) =>
    checkFileNames(
      'a/b',
      paths.map((path) => ({ path, bytes: 1, sha256: null, gitId: 'a'.repeat(40) })),
    );
  const deep = (parts: number) => Array.from({ length: parts }, (_, at) => `${at}`).join('/');

  it.each([
    ...['unet/model.onnx', '.gitattributes', 'a/.hidden', 'ä 猫', 'com10', 'console', 'a/lpt', 'x.con', deep(10)],
    ...[part(200), `${part(200)}/${part(200)}/${part(98)}`],
  ])('may be %s', (path) => {
    expect(() => check(path)).not.toThrow();
  });

  it.each([
    ['', 'no characters, or too many'],
    [`${part(200)}/${part(200)}/${part(99)}`, 'no characters, or too many'],
    ['a\u0000b', 'control characters'],
    ['a\u001fb', 'control characters'],
    ['a\u007fb', 'control characters'],
    ['a\\b', 'a backslash or a colon'],
    ['C:b', 'a backslash or a colon'],
    [deep(11), 'too many folders'],
    ['/a', 'a part that leads elsewhere'],
    ['a//b', 'a part that leads elsewhere'],
    ['a/', 'a part that leads elsewhere'],
    ['../a', 'a part that leads elsewhere'],
    ['a/./b', 'a part that leads elsewhere'],
    ['a/.../b', 'a part that leads elsewhere'],
    [part(201), 'a part that is too long'],
    ['a./b', 'a part that Windows reads as another name'],
    ['a /b', 'a part that Windows reads as another name'],
    ['b/CON', 'a part that Windows reads as another name'],
    ['aux.txt', 'a part that Windows reads as another name'],
    ['com1/x', 'a part that Windows reads as another name'],
    ['LPT9.tar.gz', 'a part that Windows reads as another name'],
  ])('may not be %j: %s', (path, reason) => {
    expect(() => check('fine', path)).toThrow(
      expect.objectContaining({
        code: 'DOWNLOAD_INVALID',
        message: `a/b has files with names that are refused: ${JSON.stringify(path.slice(0, 100))} has ${reason}`,
        hint: expect.any(String),
      }),
    );
  });

  it('is told of each that is refused, in the message of ten', () => {
    const paths = Array.from({ length: 12 }, (_, at) => `../${at}`);
    const error = (() => {
      try {
        check(...paths);
      } catch (caught) {
        return caught as Error & { issues: unknown[] };
      }
    })();
    expect(error?.issues).toHaveLength(12);
    expect(error?.message.match(/leads elsewhere/g)).toHaveLength(10);
  });
});
