import { setTimeout as later } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { childrenOf, type ServeProcess, startServe } from '../../support/serve-process.js';
import { noLinux, skipFor } from '../../support/skip-for.js';
import { sseEvents } from '../../support/sse.js';
import { gone } from '../start-caller.js';

/** T2I_CHAOS makes it more. */
const ROUNDS = Number(process.env.T2I_CHAOS ?? 8);
const IMAGES = 2;

type End = 'whole' | 'refused' | 'not taken';

/** A request of each kind; no two are alike, so that each is drawn alone. How they end, in the order of their beginning. */
function traffic({ url }: ServeProcess): Promise<End[]> {
  const post = (path: string, steps: number, more: object = { n: IMAGES, size: '64x64' }) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'a cat', seed: 1, steps, ...more }),
    });
  const ended = async (answer: Promise<Response>, whole: (response: Response) => Promise<boolean>): Promise<End> => {
    const response = await answer.catch(() => null);
    if (response === null) return 'not taken';
    if (response.status === 503) return 'refused';
    expect(response.ok).toBe(true);
    // What was begun and breaks off throws here.
    expect(await whole(response)).toBe(true);
    return 'whole';
  };
  const completed = async (response: Response) =>
    sseEvents(await response.text()).filter(({ event }) => event === 'image_generation.completed').length === IMAGES;
  return Promise.all([
    ended(post('/v1/images/generations', 40, { n: IMAGES, size: '64x64', stream: true, partial_images: 1 }), completed),
    ended(post('/v1/images/generations', 41), (response) => hasImages(response, 'data')),
    ended(post('/sdapi/v1/txt2img', 42, { batch_size: IMAGES, width: 64, height: 64 }), (response) =>
      hasImages(response, 'images'),
    ),
    ended(post('/invocations', 43), (response) => hasImages(response, 'images')),
  ]);
}

async function hasImages(response: Response, key: string): Promise<boolean> {
  const body = (await response.json()) as Record<string, unknown[]>;
  return body[key]?.length === IMAGES;
}

describe('SIGTERM', skipFor(noLinux), () => {
  it('at any moment breaks nothing off that was taken', { timeout: 600_000 }, async () => {
    const undisturbed = await startServe();
    const began = performance.now();
    expect(await traffic(undisturbed)).toEqual(['whole', 'whole', 'whole', 'whole']);
    const usual = performance.now() - began;
    undisturbed.child.kill('SIGKILL');

    const seen = new Set<End>();
    for (let round = 0; round < ROUNDS; round++) {
      const server = await startServe();
      const children = childrenOf(server.child.pid as number);
      const ends = traffic(server);
      await later((usual * round) / ROUNDS);
      server.child.kill('SIGTERM');
      const late = server.wrote('finishing what is here').then(() => traffic(server));
      for (const end of await ends) seen.add(end);
      expect(await late).not.toContain('whole');
      expect(await server.ended).toBe(0);
      await Promise.all(children.map(gone));
    }
    expect(seen).toContain('whole');
  });
});
