import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../../../src/cli/main.js';
// Loaded by `main` on first use: no test pays for that.
import '../../../../src/cli/publish/to-hub.js';
import { pullModel } from '../../../../src/hub/pull.js';
import { hubSettings } from '../../../../src/hub/settings.js';
import { describeModel } from '../../../../src/model/layout.js';
import { CANARY_TOKEN, FakeHub } from '../../../support/fake-hub.js';
import { fakeIo } from '../../../support/fake-io.js';
import { answer, FAULTS } from '../../../support/fake-server.js';
import { WEIGHTS, write, writePromoted } from './tiny-promoted.js';

let hub: FakeHub;
let project: string;
beforeEach(async () => {
  hub = await FakeHub.start();
  // Large files go in several parts.
  hub.partSize = 10_000;
  project = mkdtempSync(join(tmpdir(), 't2i-publish-'));
  writePromoted(project);
});
afterEach(async () => {
  await hub.close();
  rmSync(project, { recursive: true });
});

const env = () => ({ ...hub.env(join(project, 'home')), HF_TOKEN: CANARY_TOKEN });
const publish = async (flags = '--repo tester/flowers', more: Record<string, string> = {}) => {
  const io = fakeIo({ cwd: project, env: { ...env(), ...more } });
  const code = await main(['publish', ...flags.split(' ').filter(Boolean), '--json'], io);
  return { code, json: JSON.parse(io.out()), text: io.out() + io.err() };
};
const flowers = () =>
  hub.repositories.get('models/tester/flowers') as NonNullable<ReturnType<typeof hub.repositories.get>>;
const content = (path: string) => flowers().head.files.get(path)?.bytes.toString();

describe('t2i publish --repo', () => {
  it('makes one commit of all that both packages load, tagged, in a repository that nobody else sees', async () => {
    const { code, json } = await publish();
    expect(code).toBe(0);
    expect(flowers().private).toBe(true);
    expect(flowers().commits).toHaveLength(2);
    expect([...flowers().head.files.keys()]).toEqual(
      expect.arrayContaining([
        ...[
          'README.md',
          'model_metadata.json',
          't2i.json',
          'model_index.json',
          'unet/model.onnx',
          'tokenizer/vocab.json',
        ],
        ...['unet/diffusion_pytorch_model.safetensors', 'vae/diffusion_pytorch_model.safetensors', 'vae/config.json'],
      ]),
    );
    expect(json).toMatchObject({
      repo: 'tester/flowers',
      commit: flowers().head.id,
      tag: expect.stringMatching(/^run-7-[0-9a-f]{8}$/),
    });
    expect(flowers().tags.get(json.tag)).toBe(flowers().head.id);
    expect(flowers().head.title).toBe(`Publish ${json.tag}`);
    expect(content('unet/diffusion_pytorch_model.safetensors')).toBe(WEIGHTS.toString());
    const report = JSON.parse(readFileSync(join(project, 'reports/push_completion.json'), 'utf8'));
    expect(report).toEqual({ ...json, changed: undefined, removed: undefined });
  });

  it('is a model to this package, with the index of diffusers and a manifest that says so', async () => {
    await publish();
    const signal = new AbortController().signal;
    const { dir } = await pullModel({ repo: 'tester/flowers', revision: 'main' }, { hub: hubSettings(env()), signal });
    const { manifest, name } = await describeModel(dir);
    expect(name).toBe('flowers');
    const index = content('model_index.json') as string;
    expect(JSON.parse(index)._class_name).toBe('StableDiffusionPipeline');
    expect(manifest?.files['model_index.json']).toBe(createHash('sha256').update(index).digest('hex'));
    expect(content('unet/config.json')).toContain('sample_size');
    expect(readdirSync(join(dir, 'unet'))).toEqual(['config.json', 'model.onnx']);
  });

  it('does nothing where nothing changed, and says the same', async () => {
    const first = await publish();
    const report = readFileSync(join(project, 'reports/push_completion.json'), 'utf8');
    const sent = hub.objects.requests.length;
    const second = await publish();
    expect(second.json).toEqual({ ...first.json, changed: 0 });
    expect(flowers().commits).toHaveLength(2);
    expect(hub.objects.requests.length).toBe(sent);
    expect(readFileSync(join(project, 'reports/push_completion.json'), 'utf8')).toBe(report);
  });

  it('sends what changed alone, and removes what is no longer part of the model, nothing else', async () => {
    await publish();
    hub.add('tester/flowers', { 'unet/old.safetensors': 'old', LICENSE: 'theirs', 'pictures/a.png': 'theirs' });
    write(project, { 'saved_models/README.md': '# Another card' });
    const { json } = await publish();
    expect(json).toMatchObject({ changed: 1, removed: 1 });
    expect(content('README.md')).toBe('# Another card');
    expect(content('unet/old.safetensors')).toBe(undefined);
    expect([content('LICENSE'), content('pictures/a.png')]).toEqual(['theirs', 'theirs']);
  });

  it('takes the repository of params.yaml, and makes one for everybody where that is said', async () => {
    write(project, { 'params.yaml': 'huggingface: {model_repo: tester/flowers}' });
    expect(await publish('--public --tag v1')).toMatchObject({ code: 0, json: { tag: 'v1' } });
    expect(flowers().private).toBe(false);
    expect(flowers().tags.get('v1')).toBe(flowers().head.id);
  });

  it('goes into a repository that another one made meanwhile', async () => {
    hub.api.fail(/GET .*\/revision\/main/, (response) => {
      hub.add('tester/flowers', {});
      answer(response, 404);
    });
    expect(await publish()).toMatchObject({ code: 0 });
    expect(hub.api.asked(/repos\/create/)).toHaveLength(1);
  });

  it('goes into a folder where one is named', async () => {
    write(project, { 'params.yaml': 'huggingface: {model_repo: tester/flowers}' });
    expect(await publish('--to elsewhere')).toMatchObject({ code: 0, json: { target: 'elsewhere' } });
    expect(hub.api.requests).toEqual([]);
  });
});

describe('a publication that cannot be', () => {
  it('of somebody who looked before another one published overwrites nothing', async () => {
    await publish();
    write(project, { 'saved_models/README.md': '# Another card' });
    hub.api.fail(/\/preupload\//, async (_, __, normal) => {
      hub.add('tester/flowers', { 'README.md': '# The card of another one' });
      await normal();
    });
    const { code, json } = await publish();
    expect([code, json.error.code]).toEqual([5, 'REMOTE_CONFLICT']);
    expect(json.error.hint).toContain('Someone else published since');
    expect(content('README.md')).toBe('# The card of another one');
    expect(await publish()).toMatchObject({ code: 0 });
    expect(content('README.md')).toBe('# Another card');
  });

  it('of two at once is made once, and the other one is told', async () => {
    await publish();
    const cards = ['# The card of one', '# The card of the other'];
    let [waiting, go] = [0, () => {}];
    const both = new Promise<void>((resolve) => {
      go = resolve;
    });
    // Neither commits before both have looked.
    const wait: Parameters<typeof hub.api.fail>[1] = async (_, __, normal) => {
      if (++waiting === 2) go();
      await both;
      await normal();
    };
    hub.api.fail(/\/preupload\//, wait, 2);
    const outcomes = await Promise.all(
      cards.map(async (card) => {
        const folder = mkdtempSync(join(tmpdir(), 't2i-publish-'));
        writePromoted(folder);
        write(folder, { 'saved_models/README.md': card });
        const io = fakeIo({ cwd: folder, env: env() });
        const code = await main(['publish', '--repo', 'tester/flowers', '--json'], io);
        rmSync(folder, { recursive: true });
        return { code, json: JSON.parse(io.out()) };
      }),
    );
    const [winner, loser] = outcomes[0]?.code === 0 ? [0, 1] : [1, 0];
    expect(outcomes[winner]).toMatchObject({ code: 0, json: { commit: flowers().head.id } });
    expect(outcomes[loser]).toMatchObject({ code: 5, json: { error: { code: 'REMOTE_CONFLICT' } } });
    expect(content('README.md')).toBe(cards[winner]);
    expect(flowers().commits).toHaveLength(3);
  });

  it('is told where the tag is that of another commit', async () => {
    await publish('--repo tester/flowers --tag v1');
    write(project, { 'saved_models/README.md': '# Another card' });
    const { code, json } = await publish('--repo tester/flowers --tag v1');
    expect([code, json.error.code]).toEqual([5, 'REMOTE_CONFLICT']);
    expect(flowers().tags.get('v1')).toBe(flowers().commits.at(-2)?.id);
  });

  it('goes on after requests that fail for a moment', async () => {
    hub.api.fail(/\/preupload\//, FAULTS.status(503));
    hub.api.fail(/objects\/batch/, FAULTS.status(429));
    hub.objects.fail(/PUT \/parts/, FAULTS.status(500));
    hub.objects.fail(/PUT \/objects/, FAULTS.status(503));
    expect(await publish()).toMatchObject({ code: 0 });
  });

  it('is not tried twice where the commit may have been made', async () => {
    hub.api.fail(/\/commit\//, FAULTS.status(500));
    expect(await publish()).toMatchObject({ code: 5, json: { error: { code: 'NETWORK_FAILED' } } });
    expect(hub.api.asked(/\/commit\//)).toHaveLength(1);
    expect(await publish()).toMatchObject({ code: 0 });
  });

  it('is found out where the Hub has something else afterwards', async () => {
    hub.api.fail(/\/commit\//, async (response, _, normal) => {
      await normal();
      hub.add('tester/flowers', { 'README.md': 'something else' });
      void response;
    });
    hub.api.fail(/\/tree\//, (_, __, normal) => normal());
    hub.api.fail(/\/tree\//, (response) => answer(response, 200, []));
    const { json } = await publish();
    expect(json.error).toMatchObject({ code: 'DATA_INVALID', message: expect.stringContaining('README.md') });
  });

  it.each([
    ['without a token', { HF_TOKEN: '' }, 'ACCESS_DENIED'],
    ['with a token of something else', { HF_TOKEN: 'secret-of-another' }, 'OPTION_INVALID'],
    ['with a token that is not valid', { HF_TOKEN: 'hf_unknownunknown' }, 'ACCESS_DENIED'],
  ])('is refused %s', async (_, more, code) => {
    const { json, text } = await publish('--repo tester/flowers', more);
    expect(json.error.code).toBe(code);
    expect(text).not.toMatch(/secret-of-another|hf_unknown/);
    expect(hub.repositories.size).toBe(0);
  });

  it.each([
    ['--repo flowers', /--repo: expected OWNER\/NAME/],
    ['--repo tester/flowers --to there', /--to: expected nothing with a repository/],
    ['--to there --tag v1', /--tag: expected nothing with a folder/],
    ['--repo tester/flowers --secrets A', /--secrets: expected nothing/],
    ['--repo tester/flowers --tag ../x', /--tag: expected a name/],
  ])('%s is a mistake', async (flags, message) => {
    const { code, json } = await publish(flags);
    expect(code).toBe(2);
    expect(json.error.message).toMatch(message);
  });

  it.each([
    ['nothing was exported', 'saved_models/onnx_models', null, 'MODEL_NOT_FOUND'],
    [
      'a file is not that of the manifest',
      'saved_models/onnx_models/unet/config.json',
      '{"sample_size": 32}',
      'MODEL_INVALID',
    ],
  ])('is refused where %s', async (_, path, text, code) => {
    if (text === null) rmSync(join(project, path), { recursive: true });
    else write(project, { [path]: text });
    expect(await publish()).toMatchObject({ code: 3, json: { error: { code } } });
    expect(hub.api.requests).toEqual([]);
  });
});

describe('the token', () => {
  it('that publishes is in no output, file, or request to the store', async () => {
    const { text } = await publish();
    expect(text).not.toContain(CANARY_TOKEN);
    const reports = readdirSync(project, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const file of reports)
      expect(readFileSync(join(file.parentPath, file.name), 'latin1')).not.toContain(CANARY_TOKEN);
    expect(hub.objects.requests.length).toBeGreaterThan(3);
    for (const { headers } of hub.objects.requests) expect(JSON.stringify(headers)).not.toContain(CANARY_TOKEN);
  });

  it('in a file that would be published stops it', async () => {
    write(project, { 'saved_models/README.md': `log in with ${CANARY_TOKEN}` });
    const { json, text } = await publish();
    expect(json.error).toMatchObject({ code: 'DATA_INVALID', message: expect.stringContaining('README.md') });
    expect(text).not.toContain(CANARY_TOKEN);
    expect(hub.repositories.size).toBe(0);
  });

  it('may stand in the .env of the project', async () => {
    write(project, { '.env': `HF_TOKEN=${CANARY_TOKEN}\n` });
    expect(await publish('--repo tester/flowers', { HF_TOKEN: '' })).toMatchObject({ code: 0 });
  });
});
