import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../../src/cli/main.js';
// Loaded with the file, not by whichever test is the first.
import '../../../src/cli/publish/run-publish.js';
import { CANARY_TOKEN, FakeHub } from '../../support/fake-hub.js';
import { fakeIo, shownLines } from '../../support/fake-io.js';
import { FAULTS } from '../../support/fake-server.js';
import { write, writePromoted } from '../ops/hub/tiny-promoted.js';

let hub: FakeHub;
let project: string;
beforeEach(async () => {
  hub = await FakeHub.start();
  project = mkdtempSync(join(tmpdir(), 't2i-publish-'));
  writePromoted(project);
});
afterEach(async () => {
  await hub.close();
  rmSync(project, { recursive: true });
});

async function publish(argv: readonly string[] = [], env: Readonly<Record<string, string>> = {}, terminal = false) {
  const io = fakeIo({ cwd: project, env: { ...hub.env(project), HF_TOKEN: CANARY_TOKEN, ...env }, terminal });
  return { code: await main(['publish', ...argv], io), out: io.out(), err: io.err() };
}
const report = () => JSON.parse(readFileSync(join(project, 'reports/push_completion.json'), 'utf8'));
const params = (text: string) => writeFileSync(join(project, 'params.yaml'), text);
const at = (name: string) => hub.repositories.get(name);

describe('t2i publish', () => {
  it('sends the promoted model to the Hub, with a tag of its run, and reports what is there', async () => {
    const { code, out } = await publish(['--repo', 'tester/flowers', '--json']);
    expect(code).toBe(0);
    const told = JSON.parse(out);
    expect(told).toMatchObject({ repo: 'tester/flowers', tag: expect.stringMatching(/^run-7-[0-9a-f]{8}$/) });
    const { changed: _, removed: __, ...kept } = told;
    expect(report()).toEqual(kept);
    expect(at('models/tester/flowers')?.head.files.has('README.md')).toBe(true);
    expect(at('models/tester/flowers')?.tags.has(told.tag)).toBe(true);
    expect(JSON.parse((await publish(['--repo', 'tester/flowers', '--json'])).out)).toMatchObject(kept);
  });

  it('takes the repository of the parameters, the tag that is named, and shows it to all where that is said', async () => {
    params('huggingface: { model_repo: tester/named }\n');
    const { code, out } = await publish(['--tag', 'v1.0', '--public', '--json']);
    expect([code, JSON.parse(out)]).toEqual([0, expect.objectContaining({ repo: 'tester/named', tag: 'v1.0' })]);
    const [created] = hub.api.asked(/repos\/create/);
    expect(JSON.parse(`${created?.body}`)).toMatchObject({ name: 'named', visibility: 'public' });
  });

  it.each([
    [['--repo', 'tester/flowers'], 'models/tester/flowers'],
    [['--space', 'tester/show'], 'spaces/tester/show'],
  ])('%j shows what it makes to nobody but who made it, unless that is said', async (argv, name) => {
    writeSpace();
    for (const [more, hidden] of [
      [[], true],
      [['--public'], false],
    ] as const) {
      hub.repositories.clear();
      expect((await publish([...argv, ...more])).code).toBe(0);
      expect(at(name)?.private).toBe(hidden);
    }
  });

  it('shows how far it is on a terminal, and leaves nothing of it there', async () => {
    const { code, err } = await publish(['--repo', 'tester/flowers'], {}, true);
    expect(code).toBe(0);
    expect(shownLines(err)).toEqual(
      expect.arrayContaining([
        'checking the model in saved_models',
        expect.stringMatching(/^tester\/flowers: reading 0\/\d+ files$/),
        expect.stringMatching(/^tester\/flowers: sending \d+\/\d+ files$/),
        expect.stringMatching(/^tester\/flowers: checking \d+\/\d+ files$/),
      ]),
    );
    expect(shownLines(err).at(-1)).toBe('');
  });

  it('copies it into a folder where no repository is named, or one is', async () => {
    params(`data: { remote: ${project}/remote// }\nexport: { name: roses }\n`);
    const { code, out } = await publish(['--json']);
    expect(code).toBe(0);
    expect(existsSync(join(project, 'remote/models/roses/saved_models/onnx_models/t2i.json'))).toBe(true);
    const { copied: _, ...kept } = JSON.parse(out);
    expect(report()).toEqual(kept);
    params('huggingface: { model_repo: tester/named }\n');
    expect((await publish(['--to', join(project, 'there')])).code).toBe(0);
    expect(existsSync(join(project, 'there/saved_models/README.md'))).toBe(true);
    expect(hub.api.requests).toEqual([]);
  });

  it('names where the folder comes from that cannot be one', async () => {
    params('data: { remote: "s3://UP" }\n');
    expect((await publish()).err).toMatch(/data\.remote: .*bucket/);
    expect((await publish(['--to', 's3://UP'])).err).toMatch(/--to: .*bucket/);
  });

  it.each([[[]], [['--repo', 'tester/flowers']]])(
    'refuses what is not exported, or measured worse, %j',
    async (argv) => {
      const metadata = {
        ...{ run_name: 'worse', best_val_diffuser_loss: 0.5, best_step: 7, config_hash: 'b'.repeat(64) },
        ...{ validation: {}, files: {}, version: 2, promoted_at: '2026-01-01T00:00:00.000Z' },
        ...{ forced: null, replaces: 'better' },
      };
      const compared = { fid: { before: 10, now: 20, limit: 11 } };
      write(project, {
        'saved_models/model_metadata.json': JSON.stringify(metadata),
        'reports/evaluation.json': JSON.stringify({
          run: metadata,
          gate: { verdict: 'failed', compared, fell: ['fid'] },
        }),
      });
      const worse = await publish(argv);
      expect([worse.code, worse.err]).toEqual([expect.any(Number), expect.stringContaining('fid from 10 to 20')]);
      rmSync(join(project, 'reports'), { recursive: true });
      rmSync(join(project, 'saved_models/onnx_models'), { recursive: true });
      expect((await publish(argv)).err).toContain('hint: Export it first: t2i export');
      expect(hub.repositories.size).toBe(0);
    },
  );

  it.each([
    [['--repo', 'a/b', '--to', '/x'], /--to: expected nothing with a repository of the Hub, received "\/x"/],
    [
      ['--to', '/x', '--tag', 'v1', '--public'],
      /--tag: expected nothing with a folder.*\n.*--public: expected nothing/,
    ],
    [['--space', 'a/b', '--tag', 'v1'], /--tag: expected nothing with a Space/],
    [['--space', 'a/b', '--repo', 'c/d', '--to', '/x'], /--repo: expected nothing with a Space.*\n.*--to: expected/],
    [['--to', '/x', '--folder', 'x', '--variables', 'A'], /--folder: expected nothing.*\n.*--variables: expected/],
    [['--repo', 'a/b', '--secrets', 'KEY'], /--secrets: expected nothing with a repository/],
    [['--repo', 'a/b', '--tag', 'a b'], /--tag: expected a name of letters, digits, dots and dashes, received "a b"/],
    [['--repo', 'a b'], /--repo: expected/],
    [['--space'], /--space: expected/],
  ])('refuses %j before anything is sent', async (argv, words) => {
    const { code, out, err } = await publish(argv);
    expect([code, out, err]).toEqual([2, '', expect.stringMatching(words)]);
    expect(hub.api.requests).toEqual([]);
  });
});

function writeSpace(): void {
  write(project, {
    'space/Dockerfile': 'FROM scratch',
    'space/README.md': '---\nsdk: docker\n---\n',
    '.env': 'PLACE=garden\nKEY=hidden\n',
  });
}

describe('t2i publish --space', () => {
  beforeEach(writeSpace);

  it('gives the Space its values first, then its files, and waits until it runs', async () => {
    params('huggingface: { model_repo: tester/named, space_repo: tester/show }\n');
    const { code, out, err } = await publish(['--space', '--variables', 'PLACE', '--secrets', 'KEY', '--json']);
    expect([code, JSON.parse(out || '{}')]).toEqual([0, expect.objectContaining({ repo: 'tester/show' })]);
    expect(err).not.toContain('hidden');
    const space = at('spaces/tester/show');
    expect(Object.fromEntries(space?.variables ?? [])).toEqual({ HF_MODEL_REPO: 'tester/named', PLACE: 'garden' });
    expect(Object.fromEntries(space?.secrets ?? [])).toEqual({ KEY: 'hidden' });
    expect([...(space?.head.files.keys() ?? [])]).toContain('Dockerfile');
  });

  it('tells the variables that are not set, and never what may be a secret', async () => {
    const { code, err } = await publish([
      '--space',
      'tester/show',
      '--variables',
      'PLACE,NONE',
      '--secrets',
      'KEY=hidden',
    ]);
    expect(code).toBe(2);
    expect(err).toMatch(/--variables: expected NONE in the environment or \.env, received nothing/);
    expect(err).not.toContain('hidden');
    expect(hub.api.requests).toEqual([]);
  });

  it('takes several names with spaces between, and no word of a parameter that is not there', async () => {
    const argv = ['--space', 'tester/show', '--variables', 'PLACE, _OTHER1'];
    expect((await publish(argv, { _OTHER1: 'park' })).code).toBe(0);
    expect(Object.fromEntries(at('spaces/tester/show')?.variables ?? [])).toEqual({ PLACE: 'garden', _OTHER1: 'park' });
  });

  it.each(['9PLACE', 'PLACE=x', 'PLACE,', `A${'b'.repeat(100)}`])('takes %j for no name', async (names) => {
    const { code, err } = await publish(['--space', 'tester/show', '--variables', names], { [names]: 'x' });
    expect([code, err]).toEqual([2, expect.stringMatching(/--variables: expected names of environment variables/)]);
    expect(hub.api.requests).toEqual([]);
  });

  it('shows the stages of its start on a terminal', async () => {
    const { err } = await publish(['--space', 'tester/show'], {}, true);
    expect(shownLines(err)).toContainEqual(expect.stringMatching(/^tester\/show: sending \d+\/\d+ files$/));
    expect(shownLines(err).slice(-2)).toEqual(['tester/show is RUNNING', '']);
  });

  it('shows the log of one that does not start, above what is wrong', async () => {
    const space = hub.add('tester/show', { Dockerfile: 'FROM scratch' }, 'spaces');
    Object.assign(space, { stages: ['BUILD_ERROR'], log: ['step 1', 'pip: \u001b[2Jnot found'] });
    const { code, out, err } = await publish(['--space', 'tester/show'], { NO_COLOR: '1' }, true);
    expect([code, out]).toEqual([1, '']);
    const [log, error] = shownLines(err).slice(-2);
    expect(`${log}${error}`).toMatch(
      /^step 1\npip: \\u\{1b\}\[2Jnot found\nerror.*tester\/show does not run: BUILD_ERROR/,
    );
  });

  it('tells what went wrong where its stage cannot be asked', async () => {
    hub.api.fail(/runtime/, FAULTS.status(403));
    const { code, err } = await publish(['--space', 'tester/show']);
    expect([code, err]).toEqual([5, expect.stringMatching(/^error: .*403/)]);
  });

  it('takes the files from the folder that is named', async () => {
    write(project, { 'other/Dockerfile': 'FROM other', 'other/README.md': '---\nsdk: docker\n---\n' });
    expect((await publish(['--space', 'tester/show', '--folder', 'other'])).code).toBe(0);
    expect(at('spaces/tester/show')?.head.files.get('Dockerfile')?.bytes.toString()).toBe('FROM other');
  });
});
