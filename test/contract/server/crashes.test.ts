import { describe, expect, it } from 'vitest';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { Pipeline } from '../../../src/pipeline.js';
import { childrenOf, type ServeProcess, startServe, TINY } from '../../support/serve-process.js';
import { noLinux, skipFor } from '../../support/skip-for.js';
import { type SentEvent, sseEvents } from '../../support/sse.js';

/** T2I_CHAOS makes it longer. */
const ROUNDS = Number(process.env.T2I_CHAOS ?? 10);
/** Long enough not to be done before what is seen of it can end its process. */
const request = { prompt: 'a red apple', steps: 200, size: '64x64', n: 3 };

/** Runs a job, and kills the process of the model in its first `crashes` tries, each in the middle. */
async function crashing({ url, child }: ServeProcess, seed: number, crashes: number): Promise<SentEvent | undefined> {
  const headers = { 'content-type': 'application/json' };
  const asked = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body: JSON.stringify({ ...request, seed }) });
  const job = (await asked.json()) as { events_url: string };
  const reader = (await fetch(`${url}${job.events_url}`)).body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let killed = 0;
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    text += read.value;
    // Each try begins with a status, and its steps follow.
    const tries = text.split('"status":"generating"').slice(1);
    const steps = [...(tries.at(-1) ?? '').matchAll(/^event: step$/gm)].length;
    if (tries.length <= killed || killed === crashes || steps < 1 + (seed % 7)) continue;
    killed++;
    for (const pid of childrenOf(child.pid as number)) process.kill(pid, 'SIGKILL');
  }
  return sseEvents(text).at(-1);
}

describe('the process of the model', skipFor(noLinux), () => {
  it('may be killed in the middle of any request, which is carried out all the same', {
    timeout: 300_000,
  }, async () => {
    await using t2i = await Pipeline.load({ model: TINY });
    const size = { width: 64, height: 64 };
    const { images } = await t2i.generate({ prompt: request.prompt, steps: 200, ...size, seed: 0, n: ROUNDS });
    const server = await startServe();
    const answers: string[] = [];
    for (let seed = 0; seed < ROUNDS; seed++) {
      const last = await crashing(server, seed, 1);
      expect(last?.event, JSON.stringify(last?.data)).toBe('completed');
      const bytes = new Uint8Array(Buffer.from(last?.data.images[0].b64_json, 'base64'));
      answers.push((await readReceipt(bytes)).rgbSha256);
    }
    expect(answers).toEqual(images.map(({ receipt }) => receipt.rgbSha256));
    const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
    const [, restarts] = /t2i_backend_restarts_total\{model="tiny"\} (\d+)/.exec(metrics) ?? [];
    expect(restarts).toBe(String(ROUNDS));
  });

  it('ends the server with 4 where it is killed each time', { timeout: 300_000 }, async () => {
    const server = await startServe();
    for (const seed of [0, 1]) {
      expect(await crashing(server, seed, 2)).toMatchObject({
        event: 'failed',
        data: { error: { code: 'backend_crashed' } },
      });
    }
    await crashing(server, 2, 2).catch(() => {});
    expect(await server.ended).toBe(4);
    expect(server.output()).toContain('5 times in a row');
  });
});
