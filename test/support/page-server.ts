import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Assembled, assembleServer } from '../../src/server/create-server.js';
import { listen } from '../../src/server/listen.js';
import { findModels } from '../../src/server/models/find-models.js';
import type { ServerOptions } from '../../src/server/options.js';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

const MANIFEST = {
  formatVersion: 1,
  name: 'tiny',
  files: {},
  defaults: { steps: 30, guidanceScale: 3, sampler: 'ddim' },
  presets: { fast: { steps: 2 } },
  training: {},
  dataFingerprint: 'x',
  nullEmbeddingSha256: 'a'.repeat(64),
  evaluation: null,
  licence: 'Apache-2.0',
};

export interface PageServer extends Pick<Assembled, 'queue'> {
  readonly url: string;
  /** Requests that were cancelled so far. */
  cancelled(): Promise<number>;
  /** Directory of its model. */
  readonly model: string;
  close(): Promise<void>;
}

/**
 * A server with a socket and the tiny model, which has a preset here.
 *
 * @param others more models, by the names of their fixtures
 */
export async function startPageServer(
  options: ServerOptions = {},
  others: readonly string[] = [],
): Promise<PageServer> {
  const folder = mkdtempSync(join(tmpdir(), 't2i-page-'));
  const model = join(folder, 'tiny');
  cpSync(fixture('tiny'), model, { recursive: true });
  writeFileSync(join(model, 't2i.json'), JSON.stringify(MANIFEST));
  const sources = others.map((id) => ({ id, model: fixture(id) }));
  const found = await findModels([{ id: 'tiny', model }, ...sources], { backend: 'onnxruntime' });
  const { server, queue, metrics } = await assembleServer(found, { limits: { steps: 1000 }, ...options });
  const listening = await listen(server, { port: 0, adminPort: 0 });
  return {
    queue,
    model,
    url: `${listening.url}/`,
    async cancelled() {
      const { values } = await metrics.aborts.get();
      return values.reduce((sum, { value }) => sum + value, 0);
    },
    async close() {
      await server.close();
      await listening.close();
      rmSync(folder, { recursive: true });
    },
  };
}
