import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { readReceipt } from '../../src/image/read-receipt.js';
import { Pipeline } from '../../src/pipeline.js';
import { createServer } from '../../src/server/index.js';
import { gone } from '../contract/start-caller.js';
import { childrenOf, startServe, TINY } from '../support/serve-process.js';
import { noLinux, noPosix, skipFor } from '../support/skip-for.js';

const run = promisify(execFile);
const PATH = '/v1/images/generations';
const folder = mkdtempSync(join(tmpdir(), 't2i-serve-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const post = (body: unknown, headers = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});
const receiptOf = (b64: string) => readReceipt(new Uint8Array(Buffer.from(b64, 'base64')));

describe('t2i serve', skipFor(noPosix), () => {
  it('finishes what it has on SIGTERM, refuses what comes, and ends with 0', skipFor(noLinux), async () => {
    const { child, url, adminUrl, wrote, ended } = await startServe();
    const children = childrenOf(child.pid as number);
    expect(children.length).toBeGreaterThan(0);
    const body = { prompt: 'a cat', steps: 200, n: 5, seed: 1, stream: true, partial_images: 1, size: '64x64' };
    const response = await fetch(`${url}${PATH}`, post(body));
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let stream = (await reader?.read())?.value ?? '';
    child.kill('SIGTERM');
    await wrote('finishing what is here');
    const refused = await fetch(`${url}${PATH}`, post({ prompt: 'a cat' }));
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect((await fetch(`${adminUrl}/readyz`)).status).toBe(503);
    expect((await fetch(`${adminUrl}/healthz`)).status).toBe(200);
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) stream += read.value;
    expect(stream.match(/event: image_generation\.completed/g)).toHaveLength(5);
    expect(await ended).toBe(0);
    await Promise.all(children.map(gone));
  });

  it('ends at once on a second SIGTERM, and leaves no process behind', skipFor(noLinux), async () => {
    const { child, url, wrote, ended } = await startServe();
    const children = childrenOf(child.pid as number);
    const answer = fetch(
      `${url}${PATH}`,
      post({ prompt: 'a cat', steps: 200, n: 10, stream: true, partial_images: 3 }),
    );
    await (await answer).body?.getReader().read();
    child.kill('SIGTERM');
    await wrote('finishing what is here');
    child.kill('SIGTERM');
    expect(await ended).toBe('SIGTERM');
    await Promise.all(children.map(gone));
  });

  it('writes no key and no prompt anywhere', async () => {
    const [key, prompt] = ['canary-key-0123456789', 'canary prompt'];
    const file = join(folder, 'keys.txt');
    writeFileSync(file, `# of the tests\n${key}\n`);
    const { child, url, adminUrl, output, ended } = await startServe(['--api-key-file', file]);
    const auth = { authorization: `Bearer ${key}` };
    expect((await fetch(`${url}${PATH}`, post({ prompt, steps: 1 }))).status).toBe(401);
    const answers = [
      await fetch(`${url}${PATH}`, post({ prompt, steps: 0 }, auth)),
      await fetch(`${url}${PATH}`, post({ prompt, steps: 1 }, { authorization: `Bearer ${key}x` })),
      await fetch(`${adminUrl}/metrics`, { headers: auth }),
      await fetch(`${url}/v1/capabilities`, { headers: auth }),
    ];
    expect((await fetch(`${url}${PATH}`, post({ prompt, steps: 1, seed: 1 }, auth))).status).toBe(200);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    const told = [output(), ...(await Promise.all(answers.map((answer) => answer.text())))].join('\n');
    expect(told).toContain('"completed"');
    for (const secret of [key, prompt]) expect(told).not.toContain(secret);
  });

  it('does not listen for other machines without a key, unless it is told to', async () => {
    const serve = (...args: string[]) =>
      run(process.execPath, ['bin/t2i.mjs', 'serve', '--host', '0.0.0.0', '--port', '0', ...args]).catch(
        (error) => error,
      );
    const { code, stderr } = await serve();
    expect(code).toBe(2);
    expect(stderr).toContain('--api-key-file');
    const { child, url, output } = await startServe(['--host', '0.0.0.0', '--insecure']);
    expect((await fetch(`${url}/v1/models`, { headers: { host: 'any.example' } })).status).toBe(200);
    expect(output()).toContain('everybody is let in');
    child.kill('SIGKILL');
  });

  it('answers under names of this machine alone where it listens for itself', async () => {
    const { url, child } = await startServe();
    const { port } = new URL(url);
    expect((await fetch(`http://localhost:${port}/v1/models`)).status).toBe(200);
    const { stdout } = await run('curl', ['-s', '-H', 'Host: evil.example', `${url}/v1/models`]);
    expect(stdout).toContain('host_not_allowed');
    child.kill('SIGKILL');
  });
});

describe('an image of a real model', () => {
  const request = { prompt: 'a red apple', steps: 3 };

  it('is the same bit for bit from the SDK, over every API, and in a batch with others', async () => {
    await using t2i = await Pipeline.load({ model: TINY });
    await using server = await createServer({ models: [TINY], batchWindow: 1000, batchImages: 3 });
    const { images } = await t2i.generate({ ...request, seeds: [5, 6, 7] });
    const wanted = images.map(({ receipt }) => receipt.rgbSha256);
    const ask = async (path: string, body: unknown) => {
      const response = await server.fetch(new Request(`http://localhost${path}`, post(body)));
      // biome-ignore lint/suspicious/noExplicitAny: each API has its own shape
      return { status: response.status, body: (await response.json()) as any };
    };
    // Three that are alike fill a batch, which does not wait then.
    const together = await Promise.all([5, 6, 7].map((seed) => ask(PATH, { ...request, seed })));
    const seen = await Promise.all(
      together.map(async ({ body }) => (await receiptOf(body.data[0].b64_json)).rgbSha256),
    );
    expect(seen).toEqual(wanted);
    const metrics = await (await server.admin.fetch(new Request('http://localhost/metrics'))).text();
    expect(metrics).toContain('t2i_batch_requests_sum 3');
    expect(metrics).toContain('t2i_batch_requests_count 1');
    const whole = { ...request, seed: 5, n: 3 };
    const invoked = await ask('/invocations', whole);
    const predicted = await ask('/predictions/tiny', whole);
    const drawn = await ask('/sdapi/v1/txt2img', { ...request, seed: 5, batch_size: 3 });
    const inputs = [{ name: 'prompt', shape: [1], datatype: 'BYTES', data: [request.prompt] }];
    const inferred = await ask('/v2/models/tiny/infer', { inputs, parameters: { steps: 3, seed: 5, n: 3 } });
    for (const files of [
      invoked.body.images.map(({ b64_json }: { b64_json: string }) => b64_json),
      predicted.body.images.map(({ b64_json }: { b64_json: string }) => b64_json),
      drawn.body.images,
      inferred.body.outputs[0].data,
    ] as string[][]) {
      expect(await Promise.all(files.map(async (file) => (await receiptOf(file)).rgbSha256))).toEqual(wanted);
    }
  });
});
