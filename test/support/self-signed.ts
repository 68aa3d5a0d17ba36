import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';

// Of nobody: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOEJeJuvQcCJAtlaa
/KzNSiX0di7xFKe/iqPAmiB86AahRANCAAQZaXD6EYofjo3hr/9f1T3VNC1c14pP
jkpT4gbDYfgpZ0DpSD0xnDdgKb83/37sm3YvQkb8BX2dBEh7yW+LqSEu
-----END PRIVATE KEY-----
`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBjzCCATagAwIBAgIUQ4ZjyXUX5kJUI9WFl0o6QqnHRHwwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNzExNTYyMloYDzIxMjYxMTAz
MTE1NjIyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQZaXD6EYofjo3hr/9f1T3VNC1c14pPjkpT4gbDYfgpZ0DpSD0xnDdg
Kb83/37sm3YvQkb8BX2dBEh7yW+LqSEuo2QwYjAdBgNVHQ4EFgQUfUm/cmyr0N2w
jCBK1z8Cg6Gb6kgwHwYDVR0jBBgwFoAUfUm/cmyr0N2wjCBK1z8Cg6Gb6kgwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0cAMEQC
IEzRa9ICztSPGGoVI29t0A9YeKagZ2v30Hw8DWpAZW7CAiBd6LkVBPqghux3SavO
LG994hRJyWBzPwd4OXc/R+QXjQ==
-----END CERTIFICATE-----
`;

/** An HTTPS server on loopback that no client trusts, and how often one tried to. */
export class UntrustedServer {
  url = '';
  connections = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer({ key: KEY, cert: CERTIFICATE }, (_, response) => void response.end('{}'));
    this.#server.on('connection', () => {
      this.connections++;
    });
  }

  static async start(): Promise<UntrustedServer> {
    const server = new UntrustedServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    server.url = `https://127.0.0.1:${(server.#server.address() as AddressInfo).port}`;
    return server;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
