import { afterEach, beforeEach, expect, it } from 'vitest';
import { request } from '../../../src/http/request.js';
import { UntrustedServer } from '../../support/self-signed.js';

let server: UntrustedServer;
beforeEach(async () => {
  server = await UntrustedServer.start();
});
afterEach(() => server.close());

it('a server whose certificate nobody signed is asked once, and the error says what to set', async () => {
  await expect(request(`${server.url}/api`)).rejects.toMatchObject({
    code: 'NETWORK_FAILED',
    message: `GET ${server.url}/api failed: this machine does not trust the certificate of the server: self-signed certificate (DEPTH_ZERO_SELF_SIGNED_CERT)`,
    hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
  });
  expect(server.connections).toBe(1);
});
