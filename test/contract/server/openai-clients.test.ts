import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { listening } from '../../support/listening-server.js';
import { type MemoryServer, memoryModel, memoryServer } from '../../support/memory-server.js';
import { nodeBinary, nodeProblem } from '../../support/node-versions.js';
import { noLinuxX64, skipFor } from '../../support/skip-for.js';

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL('openai-client.mjs', import.meta.url));
const apiKeys = ['a-key-that-is-long-enough'];
const bytesOf = (b64: string) => new Uint8Array(Buffer.from(b64, 'base64'));

/** A server whose queue is full until two requests were refused. */
async function busyServer(): Promise<{ server: MemoryServer; refused: () => number }> {
  let refused = 0;
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const model = memoryModel('formula');
  const { open } = model;
  const slow = Object.assign(model, { open: (signal: AbortSignal) => released.then(() => open(signal)) });
  const server = await memoryServer({ apiKeys, queue: 1 }, { models: [slow] });
  const { fetch } = server.server;
  const counted = async (request: Request, env?: unknown) => {
    const response = await fetch(request, env);
    if (response.status === 429 && ++refused === 2) release();
    return response;
  };
  const key = { authorization: `Bearer ${apiKeys[0]}` };
  for (const prompt of ['runs', 'waits']) {
    void server.post('/v1/images/generations', { prompt, steps: 1 }, key);
    await new Promise(setImmediate);
  }
  return { server: { ...server, server: { ...server.server, fetch: counted } }, refused: () => refused };
}

/** What one version of the client saw of four servers. */
async function clientSees(name: string, node: string) {
  const normal = await memoryServer({ apiKeys });
  const { server: busy, refused } = await busyServer();
  const failure = new T2IError('MODEL_INVALID', '/srv/x is damaged');
  const broken = await memoryServer(
    { apiKeys },
    { models: [memoryModel('formula', { open: () => Promise.reject(failure) })] },
  );
  let asked = 0;
  const { fetch } = broken.server;
  const counted = {
    ...broken.server,
    fetch: (request: Request, env?: unknown) => {
      asked++;
      return fetch(request, env);
    },
  };
  const failing = memoryModel('formula');
  failing.onStep = (steps) => {
    if (steps === 4) throw new T2IError('BACKEND_FAILED', '/srv/x failed');
  };
  const breaksOff = await memoryServer({ apiKeys }, { models: [failing] });
  const addresses = {
    normal: (await listening(normal)).url,
    busy: (await listening(busy)).url,
    broken: (await listening({ server: counted })).url,
    failing: (await listening(breaksOff)).url,
  };
  const { stdout } = await run(node, [SCRIPT, name, JSON.stringify(addresses)], { maxBuffer: 64 << 20 });
  return { seen: JSON.parse(stdout), refused: refused(), asked, left: normal };
}

describe.each([
  ['openai-6', 'this Node', () => process.execPath, null],
  ['openai-6', 'Node 22', () => nodeBinary('22.23.3'), '22.23.3'],
  ['openai-7', 'Node 22', () => nodeBinary('22.23.3'), '22.23.3'],
  ['openai-7', 'Node 24', () => nodeBinary('24.21.0'), '24.21.0'],
] as const)('%s on %s', skipFor(noLinuxX64), (name, _, node, version) => {
  const lack = version === null ? null : nodeProblem(version);

  it('works unmodified', skipFor(lack), async () => {
    const { seen, refused, asked, left } = await clientSees(name, node());
    expect(seen.plain).toMatchObject({ model: 'formula', size: '16x24', requestId: expect.stringMatching(/^req_/) });
    expect(seen.plain.data.map(({ seed }: { seed: number }) => seed)).toEqual([7, 8]);
    const receipt = await readReceipt(bytesOf(seen.plain.data[1].b64_json));
    expect(receipt).toMatchObject({ seed: 8, plan: { steps: 4 }, width: 16, height: 24 });
    expect([seen.models, seen.model.id]).toEqual([['formula'], 'formula']);
    expect(seen.invalid).toMatchObject({ status: 400, typed: true, param: 'n', requestID: expect.any(String) });
    expect(seen.invalid.message).toContain('did you mean "steps"?');
    expect(seen.unknown).toMatchObject({ name: 'NotFoundError', code: 'model_not_found' });
    expect(seen.unauthorized).toMatchObject({ name: 'AuthenticationError', status: 401 });
    expect(seen.stream.map(({ type, partial_image_index: index }: Record<string, unknown>) => [type, index])).toEqual([
      ['image_generation.partial_image', 0],
      ['image_generation.partial_image', 1],
      ['image_generation.completed', undefined],
    ]);
    expect(seen.aborted).toMatchObject({ isAbort: true });
    expect([seen.busy, refused]).toEqual([2, 2]);
    expect([seen.broken.name, asked]).toEqual(['InternalServerError', 1]);
    expect(seen.failing).toMatchObject({ isApi: true, code: 'backend_failed' });
    expect([left.queue.length, left.queue.running]).toEqual([0, 0]);
  });
});
