import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { ServedModel } from '../../src/server/models/served-model.js';
import type { ServerOptions } from '../../src/server/options.js';
import type { Clock } from '../../src/server/queue/clock.js';
import { type MemoryModel, type MemoryServer, memoryModel, memoryServer } from './memory-server.js';
import type { RedisServer } from './redis.js';
import { sseEvents } from './sse.js';

export interface SharedServer extends MemoryServer {
  readonly model: MemoryModel;
  /** Seeds that it has begun to draw. */
  seeds(): number[];
}

/** A server of the formula that shares its queue over a Redis; it ends with the test. */
export async function sharedServer(
  redis: Pick<RedisServer, 'url'>,
  { draws, ...options }: ServerOptions & { draws?: boolean } = {},
  { model = memoryModel('formula'), clock }: { model?: MemoryModel; clock?: Clock } = {},
): Promise<SharedServer> {
  const server = await memoryServer({ redis: { url: redis.url, draws }, ...options }, { models: [model], clock });
  onTestFinished(() => server.server.close());
  const seeds = () => model.sessions.flatMap(({ jobs }) => jobs.flatMap((job) => job.seeds));
  return { ...server, model, seeds };
}

/** A model that another has under the same id, with other files. */
export function otherVersion(id: string): MemoryModel {
  const { model } = memoryModel(id);
  return memoryModel(id, {
    model: { ...model, hashes: { 'unet/model.onnx': 'f'.repeat(64) } },
  } as Partial<ServedModel>);
}

/** The events of a stream of images, without when they were made. */
export async function streamOf(server: MemoryServer, asked: unknown) {
  const init = { method: 'POST', body: JSON.stringify(asked), headers: { 'content-type': 'application/json' } };
  const response = await server.app.request('/v1/images/generations', init);
  return sseEvents(await response.text()).map(({ event, data: { created_at: _, ...data } }) => ({ event, data }));
}

/** Resolves when something is so. */
export async function until(is: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 2000; tries++) {
    if (await is()) return;
    await delay(10);
  }
  throw new Error(`it never was so: ${is}`);
}
