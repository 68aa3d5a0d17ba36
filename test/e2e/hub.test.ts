import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type LoadProgress, Pipeline } from '../../src/index.js';
import { CANARY_TOKEN, FakeHub } from '../support/fake-hub.js';
import { pythonOf } from '../support/python.js';
import { skipFor } from '../support/skip-for.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const T2I = join(ROOT, 'bin/t2i.mjs');
const TINY = join(ROOT, 'test/fixtures/tiny');
const TRAINER = pythonOf('trainer/requirements.lock');
const MODEL = Object.fromEntries(
  readdirSync(TINY, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [path.slice(TINY.length + 1), readFileSync(path)]),
);

let hub: FakeHub;
let home: string;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  hub = await FakeHub.start();
  hub.add('tester/tiny', { ...MODEL, 'unet/diffusion_pytorch_model.safetensors': 'weights of PyTorch' });
  home = mkdtempSync(join(tmpdir(), 't2i-hub-'));
  // Hugging Face's packages read where the Hub is as they are loaded: no forked Python.
  env = { ...process.env, ...hub.env(home), HF_TOKEN: CANARY_TOKEN, T2I_CACHE: home, T2I_COLD_PYTHON: '1' };
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  rmSync(home, { recursive: true });
});

const t2i = (...args: string[]) => promisify(execFile)(process.execPath, [T2I, ...args], { env });
const python = (script: string) => promisify(execFile)(TRAINER.python, ['-c', script], { env });
const commit = () => hub.repositories.get('models/tester/tiny')!.head.id;

describe('a model of the Hub', () => {
  it('is fetched and drawn with by Pipeline.load, and by the command line', async () => {
    for (const [name, value] of Object.entries(hub.env(home))) vi.stubEnv(name, value);
    const told: LoadProgress[] = [];
    await using pipeline = await Pipeline.load({
      model: 'tester/tiny',
      backend: 'onnxruntime',
      threads: 1,
      onProgress: (progress) => told.push(progress),
    });
    expect(told.at(-1)).toMatchObject({ phase: 'download', fraction: 1 });
    const { images } = await pipeline.generate({ prompt: 'a red apple', seed: 7, steps: 2 });
    expect(images[0].receipt.model.name).toBe('tester/tiny');
    const file = join(home, 'apple.png');
    const model = ['--model', `tester/tiny@${commit()}`, '--backend', 'onnxruntime'];
    await t2i('a red apple', ...model, '--seed', '7', '--steps', '2', '-o', file);
    expect((await t2i('verify', file, ...model)).stdout).toContain('exact');
  });

  it('is fetched once by several processes at a time', async () => {
    const runs = await Promise.all(Array.from({ length: 3 }, () => t2i('pull', 'tester/tiny', '--json')));
    const results = runs.map(({ stdout }) => JSON.parse(stdout));
    expect(new Set(results.map(({ dir }) => dir)).size).toBe(1);
    expect(results.reduce((sum, { fetched }) => sum + fetched, 0)).toBe(results[0].files);
    expect(readdirSync(join(home, 'hub/.locks/models--tester--tiny'))).toEqual([]);
    const weights = hub.objects.requests.map(({ path }) => path);
    expect(new Set(weights).size).toBe(weights.length);
  });

  it('is whole after a kill in the middle and another run', async () => {
    // No length is announced, whichever file is asked for first: it would be refused if it were that of another one.
    hub.objects.fail(/GET/, (response) => {
      response.writeHead(200);
      response.write('the start');
    });
    const child = spawn(process.execPath, [T2I, 'pull', 'tester/tiny'], { env });
    const ended = once(child, 'exit');
    await vi.waitUntil(() => hub.objects.requests.length > 0, { timeout: 50_000 });
    child.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
    const { dir } = JSON.parse((await t2i('pull', 'tester/tiny', '--json')).stdout);
    for (const [path, bytes] of Object.entries(MODEL))
      if (!path.startsWith('.')) expect(readFileSync(join(dir, path)).equals(bytes), path).toBe(true);
  });
});

describe("the cache that is shared with Hugging Face's Python packages", skipFor(TRAINER.lack), () => {
  it('is whole to them after a pull, and they fetch none of it again', async () => {
    await t2i('pull', 'tester/tiny');
    const scan = `
from huggingface_hub import hf_hub_download, scan_cache_dir
info = scan_cache_dir()
[repo] = info.repos
[revision] = repo.revisions
print(repo.repo_id, revision.commit_hash, *revision.refs, revision.nb_files, len(info.warnings), len(info.incomplete_files))
print(hf_hub_download("tester/tiny", "unet/model.weights"))`;
    const before = hub.objects.requests.length;
    const { stdout } = await python(scan);
    const [told, path] = stdout.trim().split('\n');
    expect(told).toBe(`tester/tiny ${commit()} main ${Object.keys(MODEL).length} 0 0`);
    expect(path).toBe(join(home, 'hub/models--tester--tiny/snapshots', commit(), 'unet/model.weights'));
    expect(hub.objects.asked(/^GET/).length).toBe(before);
  }, 120_000);

  it('is whole to us after they fetched a model', async () => {
    const { stdout } = await python(
      'from huggingface_hub import snapshot_download; print(snapshot_download("tester/tiny"))',
    );
    const before = hub.objects.requests.length;
    expect(JSON.parse((await t2i('pull', 'tester/tiny', '--json')).stdout)).toMatchObject({
      dir: stdout.trim(),
      fetched: 0,
    });
    expect(hub.objects.requests.length).toBe(before);
    const { models } = JSON.parse((await t2i('models', '--json')).stdout);
    expect(models.at(-1)).toMatchObject({ kind: 'hub', name: 'tester/tiny', revisions: ['main'] });
    env.HF_HUB_OFFLINE = '1';
    const file = join(home, 'apple.png');
    await t2i('a red apple', '--model', 'tester/tiny', '--backend', 'onnxruntime', '--steps', '1', '-o', file);
    expect(statSync(file).size).toBeGreaterThan(100);
  }, 120_000);
});

describe('a promoted model', skipFor(TRAINER.lack), () => {
  it('is published so that this package and diffusers load it by one name', async () => {
    const project = join(home, 'flowers');
    const made = `
import sys
from pathlib import Path
sys.path[:0] = [${JSON.stringify(join(ROOT, 'trainer'))}, ${JSON.stringify(join(ROOT, 'trainer/tests'))}]
from model_folders import write_project
write_project(Path(${JSON.stringify(project)}))`;
    await python(made);
    writeFileSync(join(project, 'params.yaml'), 'export: {name: flowers}\nhuggingface: {model_repo: tester/flowers}\n');
    const inProject = (...args: string[]) =>
      promisify(execFile)(process.execPath, [T2I, ...args], { env, cwd: project });
    await inProject('export', '--python', TRAINER.python);
    const { tag } = JSON.parse((await inProject('publish', '--json')).stdout);
    const file = join(home, 'flower.png');
    const model = ['--model', `tester/flowers@${tag}`, '--backend', 'onnxruntime'];
    await t2i('a red flower', ...model, '--steps', '2', '--seed', '1', '-o', file);
    expect((await t2i('verify', file, ...model)).stdout).toContain('exact');
    const { stdout } = await python(`
from diffusers import StableDiffusionPipeline
pipeline = StableDiffusionPipeline.from_pretrained("tester/flowers", revision="${tag}", use_safetensors=True)
pipeline.set_progress_bar_config(disable=True)
print(pipeline("a red flower", num_inference_steps=2).images[0].size)`);
    expect(stdout.trim()).toBe('(64, 64)');
  }, 600_000);
});
