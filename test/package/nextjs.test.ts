import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { codeBlocks } from '../support/markdown.js';
import { QUICK_AND_QUIET } from './install-package.mjs';
import { InstalledPackage } from './installed-package.js';

const PAGE = readFileSync(fileURLToPath(new URL('../../docs/bundlers.md', import.meta.url)), 'utf8');
const TOOLS = ['next@16.4.6', 'react@19.3.1', 'react-dom@19.3.1', 'typescript@5', '@types/node@20', '@types/react@19'];
const LAYOUT = `export default function Layout({ children }: { children: React.ReactNode }) {
  return <html><body>{children}</body></html>;
}
`;

let installed: InstalledPackage;
/** Elsewhere, so that nothing is found in the packages that the app was built with. */
const deployed = mkdtempSync(join(tmpdir(), 't2i-deployed-'));
let server: ChildProcess | undefined;

beforeAll(() => {
  installed = InstalledPackage.install();
  installed.npm('install', ...QUICK_AND_QUIET, ...TOOLS);
}, 600_000);

afterAll(async () => {
  if (server !== undefined && server.exitCode === null) {
    server.kill();
    await once(server, 'exit');
  }
  installed?.remove();
  rmSync(deployed, { recursive: true });
});

/** Writes the page's code into an app, builds it, and takes along only what Next.js copied. */
function deploy(): string {
  const config = codeBlocks(PAGE, 'js').find((text) => text.includes('standalone')) as string;
  const route = codeBlocks(PAGE, 'ts').find((text) => text.includes('GET()')) as string;
  mkdirSync(join(installed.folder, 'app/draw'), { recursive: true });
  writeFileSync(join(installed.folder, 'next.config.mjs'), config);
  writeFileSync(join(installed.folder, 'app/layout.tsx'), LAYOUT);
  writeFileSync(join(installed.folder, 'app/draw/route.ts'), route);
  installed.npm('exec', '--offline', '--', 'next', 'build');
  const app = join(deployed, 'app');
  renameSync(join(installed.folder, '.next/standalone'), app);
  return app;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

it('a route handler of Next.js with the lines of the page compiles, and draws where it is deployed alone', async () => {
  const folder = deploy();
  const port = await freePort();
  const env = { ...process.env, NODE_ENV: 'production', HOSTNAME: '127.0.0.1', PORT: String(port) };
  server = spawn(process.execPath, ['server.js'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
  while (!String((await once(server.stdout as NodeJS.ReadableStream, 'data'))[0]).includes('Ready')) {
    // Not yet.
  }
  const response = await fetch(`http://127.0.0.1:${port}/draw`);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'image/png']);
  expect(Buffer.from(await response.arrayBuffer()).toString('latin1', 1, 4)).toBe('PNG');
}, 600_000);
