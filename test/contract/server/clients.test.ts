import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { listening } from '../../support/listening-server.js';
import { memoryServer } from '../../support/memory-server.js';
import { pythonOf } from '../../support/python.js';
import { noCommand, skipFor } from '../../support/skip-for.js';

const run = promisify(execFile);
const KEY = 'a-key-that-is-long-enough';
const request = { prompt: 'a red apple', steps: 3, seed: 7 };
const { python, lack } = pythonOf('test/clients/requirements.lock');
const [TRITON, A1111] = ['triton_client.py', 'a1111_client.py'].map((name) =>
  fileURLToPath(new URL(name, import.meta.url)),
) as [string, string];

describe('curl', skipFor(noCommand('curl')), () => {
  const curl = async (...args: string[]) => {
    const { stdout } = await run('curl', ['-sS', '-i', ...args], { encoding: 'latin1', maxBuffer: 16 << 20 });
    const end = stdout.indexOf('\r\n\r\n');
    return { head: stdout.slice(0, end).toLowerCase(), body: stdout.slice(end + 4) };
  };

  it('makes an image, reads a stream, and is refused without a key', async () => {
    const { url } = await listening(await memoryServer({ apiKeys: [KEY] }));
    const key = ['-H', `Authorization: Bearer ${KEY}`];
    const json = ['-H', 'Content-Type: application/json', '-d', JSON.stringify(request)];
    const made = await curl(...key, ...json, `${url}/v1/images/generations`);
    expect(made.head).toMatch(/^http\/1.1 200/);
    expect(JSON.parse(made.body).data[0].seed).toBe(7);
    const file = await curl(...key, ...json, '-H', 'Accept: image/png', `${url}/invocations`);
    expect(file.head).toContain('content-type: image/png');
    expect(await readReceipt(new Uint8Array(Buffer.from(file.body, 'latin1')))).toMatchObject({ seed: 7 });
    const stream = ['-H', 'Content-Type: application/json', '-d', JSON.stringify({ ...request, stream: true })];
    const streamed = await curl('-N', ...key, ...stream, `${url}/v1/images/generations`);
    expect(streamed.body).toMatch(/^event: image_generation\.completed\ndata: \{/);
    expect((await curl(...json, `${url}/v1/images/generations`)).head).toMatch(/^http\/1.1 401/);
  });
});

describe("Triton's client", skipFor(lack), () => {
  it('works unmodified, with binary tensors and with JSON', async () => {
    const { url } = await listening(await memoryServer());
    const { stdout } = await run(python, [TRITON, url.replace('http://', '')], { maxBuffer: 16 << 20 });
    const seen = JSON.parse(stdout);
    expect(seen).toMatchObject({ live: true, ready: true, model: true, server: { name: 't2i' } });
    expect(seen.metadata.outputs).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'image' })]));
    expect([seen.binary.id, seen.binary.seeds, seen.json.seeds]).toEqual(['one', [7, 8], [7, 8]]);
    const file = new Uint8Array(Buffer.from(seen.binary.images[1], 'hex'));
    expect(await readReceipt(file)).toMatchObject({ seed: 8, served: 'kserve' });
    expect(Buffer.from(seen.json.images[1], 'base64').equals(Buffer.from(file))).toBe(true);
    expect(seen.refused).toContain('did you mean');
  });
});

describe("A1111's client", skipFor(lack), () => {
  it('works unmodified, with the fields that it sends of itself', async () => {
    const { hostname, port } = new URL((await listening(await memoryServer({ apiKeys: [KEY] }))).url);
    const { stdout } = await run(python, [A1111, hostname, port, KEY], { maxBuffer: 16 << 20 });
    const seen = JSON.parse(stdout);
    expect(seen.samplers).toEqual(expect.arrayContaining(['DDIM', 'Euler a', 'DPM++ 2M']));
    expect([seen.models, seen.current, seen.progress]).toEqual([
      [expect.stringMatching(/^formula \[\w+\]$/)],
      expect.stringMatching(/^formula \[\w+\]$/),
      0,
    ]);
    expect(seen.sizes).toEqual([
      [16, 24],
      [16, 24],
    ]);
    expect(seen.texts[1].parameters).toMatch(
      /^a red apple\nNegative prompt: blue\nSteps: 3, Sampler: Euler a, .*Seed: 8/,
    );
    expect(seen.info.all_seeds).toEqual([7, 8]);
    expect(seen.sampler).toBe('Euler a');
    expect(seen.refused).toContain('enable_hr');
  });
});

describe('Schemathesis', skipFor(lack), () => {
  it('finds no answer that the OpenAPI document does not describe, and no failure', { timeout: 300_000 }, async () => {
    const server = await memoryServer({ apiKeys: [KEY], limits: { steps: 30, side: 64, images: 2 } });
    const { url } = await listening(server);
    const checks = 'not_a_server_error,response_schema_conformance,content_type_conformance,ignored_auth';
    const child = spawn(
      python,
      [
        ...['-m', 'schemathesis.cli', 'run', `${url}/openapi.json`, '-H', `Authorization: Bearer ${KEY}`],
        ...[
          '--checks',
          checks,
          '--max-examples',
          '25',
          '--seed',
          '1',
          // Python 3.11's parser is not safe in several threads.
          '--workers',
          '1',
          '--phases',
          'examples,coverage,fuzzing',
        ],
        ...['--suppress-health-check', 'all', '--generation-database', 'none', '--no-color'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    const [code] = await once(child, 'exit');
    expect(code, output.slice(-4000)).toBe(0);
    const operations = [...output.matchAll(/Tested: +(\d+)/g)].map(([, count]) => Number(count));
    const document = (await (
      await fetch(`${url}/openapi.json`, { headers: { authorization: `Bearer ${KEY}` } })
    ).json()) as { paths: object };
    const described = Object.values(document.paths).flatMap((path) => Object.keys(path));
    expect(operations, output.slice(-4000)).toEqual([described.length]);
  });
});
