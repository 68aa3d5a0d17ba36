import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hubSettings } from '../../../../src/hub/settings.js';
import {
  ensureRepository,
  type PublishOptions,
  type PublishProgress,
  publish,
} from '../../../../src/ops/hub/publish.js';
import type { Source } from '../../../../src/ops/hub/sources.js';
import { CANARY_TOKEN, FakeHub } from '../../../support/fake-hub.js';
import { answer, FAULTS, type Fault } from '../../../support/fake-server.js';
import { write } from './tiny-promoted.js';

const bytes = (text: string) => Uint8Array.from(Buffer.from(text));

let hub: FakeHub;
let folder: string;
let files: Map<string, Source>;
beforeEach(async () => {
  hub = await FakeHub.start();
  hub.partSize = 10;
  folder = mkdtempSync(join(tmpdir(), 't2i-publish-'));
  write(folder, { 'a.weights': 'weights of several parts' });
  files = new Map<string, Source>([
    ['README.md', bytes('# Flowers')],
    ['a.weights', join(folder, 'a.weights')],
    ['b.weights', bytes('small')],
  ]);
});
afterEach(async () => {
  await hub.close();
  rmSync(folder, { recursive: true });
});

const options = (more: Partial<PublishOptions> = {}): PublishOptions => ({
  hub: hubSettings({ ...hub.env(folder), HF_TOKEN: CANARY_TOKEN }),
  kind: 'models',
  repo: 'tester/flowers',
  sources: files,
  isStale: () => false,
  public: false,
  signal: new AbortController().signal,
  ...more,
});
const publishFiles = (more: Partial<PublishOptions> = {}) => publish(options(more));
const repository = (key = 'models/tester/flowers') =>
  hub.repositories.get(key) as NonNullable<ReturnType<typeof hub.repositories.get>>;
const content = (path: string) => repository().head.files.get(path)?.bytes.toString();
const bodyOf = (where: RegExp) => JSON.parse(hub.api.asked(where)[0]?.body.toString() ?? 'null');

describe('a repository', () => {
  it('is made once, for its owner alone unless it is said to be public', async () => {
    await publishFiles();
    const request = { name: 'flowers', organization: 'tester', type: 'model', visibility: 'private' };
    expect(bodyOf(/repos\/create/)).toEqual(request);
    await publishFiles();
    expect(hub.api.asked(/repos\/create/)).toHaveLength(1);
    await publishFiles({ repo: 'tester/roses', public: true });
    expect(repository('models/tester/roses').private).toBe(false);
  });

  it('of a Space runs a Dockerfile, and has a page of its own kind', async () => {
    const { address } = await publishFiles({ kind: 'spaces', repo: 'tester/show' });
    expect(bodyOf(/repos\/create/)).toMatchObject({ type: 'space', sdk: 'docker', visibility: 'private' });
    expect(address).toBe(`${hub.url}/spaces/tester/show`);
    expect(hub.api.asked(/\/models\//)).toEqual([]);
  });

  it.each([
    [/GET .*\/revision\/main/, 403],
    [/repos\/create/, 403],
  ])('that may not be used is an error that names its page: %s answered with %d', async (where, status) => {
    hub.api.fail(where, FAULTS.status(status));
    await expect(publishFiles({ kind: 'spaces', repo: 'tester/show' })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      hint: expect.stringContaining(`${hub.url}/spaces/tester/show`),
    });
    expect(hub.repositories.size).toBe(0);
  });

  it.each([/repos\/create/, /preupload/, /POST .*\/commit\//])(
    'that takes no such token says so at %s',
    async (where) => {
      hub.api.fail(where, FAULTS.status(401));
      await expect(publishFiles()).rejects.toMatchObject({
        code: 'ACCESS_DENIED',
        hint: expect.stringContaining('Set HF_TOKEN to a token that is valid'),
      });
    },
  );
});

describe('what is published', () => {
  it('is told with its address, commit, files and bytes', async () => {
    const published = await publishFiles({ tag: 'v1' });
    expect(published).toEqual({
      repo: 'tester/flowers',
      address: `${hub.url}/tester/flowers`,
      commit: repository().head.id,
      tag: 'v1',
      files: 3,
      bytes: '# Flowers'.length + 'weights of several parts'.length + 'small'.length,
      changed: 3,
      removed: 0,
    });
    expect([...files.keys()].map(content)).toEqual(['# Flowers', 'weights of several parts', 'small']);
  });

  it('has a commit that is called after the tag, or the repository', async () => {
    await publishFiles();
    expect(repository().head.title).toBe('Publish tester/flowers');
    files.set('README.md', bytes('# Roses'));
    expect((await publishFiles({ tag: 'v2' })).commit).toBe(repository().head.id);
    expect(repository().head.title).toBe('Publish v2');
  });

  it('has a tag of its paths and contents, in whatever order', async () => {
    const tag = (hash: string) => `v-${hash}`;
    const first = await publishFiles({ tag });
    files = new Map([...files].reverse());
    expect((await publishFiles({ tag })).tag).toBe(first.tag);
    files = new Map([...files].map(([path, source]) => [path === 'README.md' ? 'readme.md' : path, source]));
    expect((await publishFiles({ tag })).tag).not.toBe(first.tag);
  });

  it('is told while it is read, sent and checked, and nothing is called sent before it is there', async () => {
    const told: PublishProgress[] = [];
    await publishFiles({
      onProgress: (progress) => {
        told.push(progress);
        if (progress.phase === 'sending') expect(progress.done).toBeLessThanOrEqual(hub.store.objects.size);
      },
    });
    const of = (phase: string) => told.filter((progress) => progress.phase === phase);
    expect(of('hashing')).toEqual([0, 1, 2].map((done) => ({ phase: 'hashing', done, total: 3 })));
    // Small files are part of the commit itself.
    expect(of('sending').at(0)).toEqual({ phase: 'sending', done: 0, total: 3 });
    expect(of('sending').at(-1)).toEqual({ phase: 'sending', done: 2, total: 3 });
    expect(told.at(-1)).toEqual({ phase: 'checking', done: 0, total: 3 });
  });

  it('goes to the store by plain requests', async () => {
    await publishFiles();
    expect(bodyOf(/objects\/batch/).transfers).toEqual(['basic', 'multipart']);
  });

  it('is a large file again where its content is another one', async () => {
    await publishFiles();
    files.set('b.weights', bytes('SMALL'));
    expect(await publishFiles()).toMatchObject({ changed: 1, removed: 0 });
    expect(content('b.weights')).toBe('SMALL');
  });

  it('is a removal alone where no more changed', async () => {
    await publishFiles();
    files.delete('b.weights');
    expect(await publishFiles()).toMatchObject({ changed: 0, removed: 0 });
    expect(await publishFiles({ isStale: (path) => path === 'b.weights' })).toMatchObject({ changed: 0, removed: 1 });
    expect([...repository().head.files.keys()].sort()).toEqual(['.gitattributes', 'README.md', 'a.weights']);
  });

  it('is looked at once and no more where nothing changed', async () => {
    await publishFiles();
    const before = hub.api.requests.length;
    await publishFiles();
    expect(hub.api.requests.slice(before).map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /api/models/tester/flowers/revision/main',
      `GET /api/models/tester/flowers/tree/${repository().head.id}`,
    ]);
  });
});

describe('a tag', () => {
  it('is given once more where the Hub was in trouble, by one request where it was not', async () => {
    await publishFiles({ tag: 'v1' });
    expect(hub.api.asked(/\/tag\/|revision\/v1/)).toHaveLength(1);
    hub.api.fail(/\/tag\//, FAULTS.status(503));
    await publishFiles({ tag: 'v2' });
    expect(repository().tags.get('v2')).toBe(repository().head.id);
  });

  it('is given where the answer to that has no content', async () => {
    hub.api.fail(/\/tag\//, (response) => void response.writeHead(204).end());
    expect(await publishFiles({ tag: 'v1' })).toMatchObject({ tag: 'v1' });
  });

  it('of another commit stays, and the hint says what else to do', async () => {
    const first = await publishFiles({ tag: 'v1' });
    files.set('README.md', bytes('# Roses'));
    await expect(publishFiles({ tag: 'v1' })).rejects.toMatchObject({
      code: 'REMOTE_CONFLICT',
      message: `The tag v1 of tester/flowers is that of another commit, ${first.commit}`,
      hint: expect.stringMatching(/were published.*--tag/),
    });
    expect(content('README.md')).toBe('# Roses');
  });
});

describe('a Hub that answers with something else', () => {
  it.each([
    ['a page of HTML in the place of how to send', /preupload/, FAULTS.html],
    ['a commit without a name', /\/commit\//, FAULTS.bytes('{"success": true}')],
  ])('%s, is an error with what to do', async (_, where, fault) => {
    hub.api.fail(where, fault);
    await expect(publishFiles()).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringContaining('Publishing tester/flowers failed: '),
      hint: expect.stringContaining('Run it again'),
      cause: expect.any(Error),
    });
    expect(hub.api.asked(/undefined/)).toEqual([]);
    expect(await publishFiles()).toMatchObject({ changed: 3 });
  });

  it('is told as it said it, without a word of others who published', async () => {
    hub.api.fail(/\/commit\//, FAULTS.status(400));
    const error = await publishFiles().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'REMOTE_REFUSED', message: expect.stringContaining('fault 400') });
    expect(error.hint).not.toContain('Someone else');
  });

  it('has other content afterwards, which is told with the files that differ', async () => {
    hub.api.fail(/\/commit\//, async (_, __, normal) => {
      await normal();
      const { head } = repository();
      (head.files as Map<string, unknown>).delete('README.md');
    });
    await expect(publishFiles()).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringMatching(/other content at \w{40} than these files: README\.md$/),
      hint: expect.stringContaining('wait until whatever writes them is done'),
    });
  });
});

describe('an abort', () => {
  const reason = new Error('stop');
  const normal: Fault = (_, __, answerIt) => answerIt();

  /** Lets the request abort the publication that sent it; whoever goes on all the same asks again. */
  const abortAt = (where: RegExp, server = hub.api) => {
    const controller = new AbortController();
    server.fail(where, (response) => {
      controller.abort(reason);
      answer(response, 503, {}, { 'retry-after': '0' });
    });
    return controller.signal;
  };

  it.each([
    ['the first look', /revision\/main/, 0],
    ['the look at what was made', /revision\/main/, 1],
    ['the list of what is there', /\/tree\//, 0],
    ['the list of what has arrived', /\/tree\//, 1],
    ['the question how to send', /preupload/, 0],
    ['the commit', /\/commit\//, 0],
    ['the tag', /\/tag\//, 0],
  ])('during %s ends it there', async (_, where, before) => {
    if (before > 0) hub.api.fail(where, normal);
    await expect(publishFiles({ tag: 'v1', signal: abortAt(where) })).rejects.toBe(reason);
    expect(hub.api.asked(where)).toHaveLength(before + 1);
  });

  it('during the look at whose a tag is ends it there', async () => {
    await publishFiles({ tag: 'v1' });
    await expect(publishFiles({ tag: 'v1', signal: abortAt(/revision\/v1/) })).rejects.toBe(reason);
    expect(hub.api.asked(/revision\/v1/)).toHaveLength(1);
  });

  it('while large files are sent makes no commit', async () => {
    await expect(publishFiles({ signal: abortAt(/PUT/, hub.objects) })).rejects.toBe(reason);
    expect(repository().commits).toHaveLength(1);
  });
});

it('a repository that the Hub does not answer for is not made', async () => {
  hub.api.fail(/revision\/main/, FAULTS.status(400));
  await expect(ensureRepository(options())).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  expect(hub.api.asked(/repos\/create/)).toEqual([]);
});
