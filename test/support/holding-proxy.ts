import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

export interface HoldingProxy {
  readonly url: string;
  close(): void;
}

/**
 * A proxy before a server that passes on everything but the answers to some requests: who sent one never hears of it. Who leaves leaves the
 * server, too.
 *
 * @param held how those requests begin, for example `POST /v1/jobs`
 */
export async function holdAnswers(server: string, held: string): Promise<HoldingProxy> {
  const port = Number(new URL(server).port);
  const proxy = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    let holds = false;
    client.on('data', (sent) => {
      holds ||= sent.toString('latin1').startsWith(held);
      upstream.write(sent);
    });
    upstream.on('data', (answer) => {
      if (!holds) client.write(answer);
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => {}).on('close', () => other.destroy());
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`, close: () => proxy.close() };
}
