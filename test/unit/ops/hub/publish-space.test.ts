import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../../../src/cli/main.js';
// Loaded by `main` on first use: no test pays for that.
import '../../../../src/cli/publish/to-hub.js';
import { CANARY_TOKEN, FakeHub } from '../../../support/fake-hub.js';
import { fakeIo } from '../../../support/fake-io.js';
import { write } from './tiny-promoted.js';

let hub: FakeHub;
let project: string;
beforeEach(async () => {
  hub = await FakeHub.start();
  project = mkdtempSync(join(tmpdir(), 't2i-space-'));
  write(project, {
    'params.yaml': 'huggingface: {model_repo: tester/flowers, space_repo: tester/show}',
    '.env': 'API_KEY=the-key-of-the-space\nPLACE=garden\n',
    'space/Dockerfile': 'FROM scratch',
    'space/README.md': '---\nsdk: docker\n---\n',
    'space/app/main.py': 'print("hello")',
    'space/.env': `HF_TOKEN=${CANARY_TOKEN}`,
    'space/.git/config': 'secret of git',
    'space/app/__pycache__/main.pyc': 'compiled',
  });
});
afterEach(async () => {
  await hub.close();
  rmSync(project, { recursive: true });
});

const env = () => ({ ...hub.env(join(project, 'home')), HF_TOKEN: CANARY_TOKEN });
const publish = async (...flags: string[]) => {
  const io = fakeIo({ cwd: project, env: env() });
  const code = await main(['publish', ...flags, '--json'], io);
  return { code, json: JSON.parse(io.out()), err: io.err() };
};
const show = () => hub.repositories.get('spaces/tester/show') as NonNullable<ReturnType<typeof hub.repositories.get>>;

describe('t2i publish --space', () => {
  it('publishes its folder as one commit, without what is nobody else’s business', async () => {
    const { code, json } = await publish('--space');
    expect(code).toBe(0);
    expect(json).toMatchObject({
      repo: 'tester/show',
      address: `${hub.url}/spaces/tester/show`,
      commit: show().head.id,
    });
    expect([...show().head.files.keys()].sort()).toEqual(['.gitattributes', 'Dockerfile', 'README.md', 'app/main.py']);
    expect(show().commits).toHaveLength(2);
    expect(show().private).toBe(true);
  });

  it('gives it variables and secrets by the names of the environment, before its files', async () => {
    const { code, json, err } = await publish('--space', '--variables', 'PLACE', '--secrets', 'API_KEY,HF_TOKEN');
    expect(code).toBe(0);
    expect([...show().variables]).toEqual([
      ['HF_MODEL_REPO', 'tester/flowers'],
      ['PLACE', 'garden'],
    ]);
    expect([...show().secrets]).toEqual([
      ['API_KEY', 'the-key-of-the-space'],
      ['HF_TOKEN', CANARY_TOKEN],
    ]);
    expect(JSON.stringify(json) + err).not.toMatch(/the-key-of-the-space|canary/i);
    const order = hub.api.requests.map(({ method, path }) => `${method} ${path}`);
    expect(order.findIndex((line) => line.includes('POST /api/spaces/tester/show/secrets'))).toBeLessThan(
      order.findIndex((line) => line.includes('/commit/')),
    );
  });

  it('does not set a variable again that it has', async () => {
    await publish('--space', '--variables', 'PLACE');
    const before = hub.api.asked(/POST .*\/variables/).length;
    write(project, { '.env': 'PLACE=park\n' });
    await publish('--space', '--variables', 'PLACE');
    expect(hub.api.asked(/POST .*\/variables/).length).toBe(before + 1);
    expect(show().variables.get('PLACE')).toBe('park');
  });

  it('takes away what is no longer in the folder', async () => {
    await publish('--space');
    rmSync(join(project, 'space/app/main.py'));
    expect((await publish('--space')).json).toMatchObject({ changed: 0, removed: 1 });
    expect([...show().head.files.keys()].sort()).toEqual(['.gitattributes', 'Dockerfile', 'README.md']);
  });

  it('prints the log of a build that fails', async () => {
    await publish('--space');
    show().stages = ['BUILD_ERROR'];
    show().log = ['Step 1/2 : FROM scratch\n', 'ERROR: failed to build\u001b[2J'];
    const { code, json, err } = await publish('--space');
    expect([code, json.error.code]).toEqual([1, 'DEPLOYMENT_FAILED']);
    expect(json.error.message).toContain('BUILD_ERROR');
    expect(err).toContain('Step 1/2 : FROM scratch\nERROR: failed to build\\u{1b}[2J\n');
  });

  it.each([
    [['--space', '--folder', 'nowhere'], 'DATA_INVALID', /There is no folder/],
    [['--space', '--folder', 'space/app'], 'DATA_INVALID', /Dockerfile and README\.md missing/],
    [['--space', 'show'], 'OPTION_INVALID', /--space: expected OWNER\/NAME/],
    [['--space', '--secrets', 'NOWHERE'], 'OPTION_INVALID', /--secrets: expected NOWHERE in the environment or \.env/],
    [['--space', '--secrets', 'API_KEY=the-key-of-the-space'], 'OPTION_INVALID', /names of environment variables/],
    [['--space', '--tag', 'v1'], 'OPTION_INVALID', /nothing with a Space/],
  ])('refuses %j', async (flags, code, message) => {
    const { json, err } = await publish(...flags);
    expect(json.error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(JSON.stringify(json) + err).not.toContain('the-key-of-the-space');
    expect(hub.repositories.size).toBe(0);
  });
});
