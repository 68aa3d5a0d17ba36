import type { MemoryServer } from '../../support/memory-server.js';

/** What a job is asked for. */
export const body = { prompt: 'a red apple', steps: 20, seed: 7 };
/** Keys of two callers. */
export const [ALICE, BOB] = ['alice-alice-alice', 'bobby-bobby-bobby'] as const;
export const as = (key: string) => ({ authorization: `Bearer ${key}` });

/** Waits for the end of a job, while the server takes others. */
export async function ended(server: MemoryServer, { events_url }: { events_url: string }): Promise<string> {
  return (await server.app.request(events_url)).text();
}
