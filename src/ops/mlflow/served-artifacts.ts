import { z } from 'zod';
import { readChunks } from '../../http/body.js';
import type { Bounds, Opened } from '../transfer/download.js';
import type { ArtifactStore, Listed } from './artifacts.js';
import { type MlflowRun, pages } from './runs.js';
import type { MlflowServer } from './server.js';
import { whole } from './values.js';

const FILES = z.object({
  files: z
    .array(z.object({ path: z.string(), is_dir: z.boolean().default(false), file_size: whole.default(0) }))
    .default([]),
  next_page_token: z.string().optional(),
});

/** The files of a run that its server hands out (`mlflow-artifacts:`). */
export class ServedArtifacts implements ArtifactStore {
  readonly #server: MlflowServer;
  readonly #run: MlflowRun;
  readonly #folder: string;

  /** @param folder of the run among all that the server keeps */
  constructor(server: MlflowServer, run: MlflowRun, folder: string) {
    this.#server = server;
    this.#run = run;
    this.#folder = folder;
  }

  async *list(folder: string, signal: AbortSignal): AsyncGenerator<Listed> {
    const folders = [folder];
    for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
      const files = pages(async (page_token) => {
        const query = { run_id: this.#run.id, path, page_token };
        const answer = await this.#server.get('mlflow/artifacts/list', query, FILES, signal);
        return { items: answer.files, next: answer.next_page_token };
      });
      for await (const { path, is_dir: isFolder, file_size: bytes } of files) {
        yield { path, bytes, isFolder };
        if (isFolder) folders.push(path);
      }
    }
  }

  async open(path: string, { start, most }: Bounds, signal: AbortSignal): Promise<Opened> {
    const name = `${this.#folder}/${path}`.split('/').map(encodeURIComponent).join('/');
    const response = await this.#server.download(`mlflow-artifacts/artifacts/${name}`, start, signal);
    // Without 206 it begins again, whatever was asked for.
    const from = response.status === 206 ? start : 0;
    return { from, chunks: readChunks(response, { limit: most - from, signal }) };
  }
}
