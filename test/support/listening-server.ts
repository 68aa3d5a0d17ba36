import { onTestFinished } from 'vitest';
import { type Listening, type ListenOptions, listen } from '../../src/server/listen.js';
import type { MemoryServer } from './memory-server.js';

/** Opens sockets of a server on free ports for one test. */
export async function listening(
  server: Pick<MemoryServer, 'server'>,
  options: Omit<ListenOptions, 'port' | 'adminPort'> = {},
): Promise<Listening> {
  const sockets = await listen(server.server, { port: 0, adminPort: 0, ...options });
  onTestFinished(async () => {
    await server.server.close();
    await sockets.close();
  });
  return sockets;
}
