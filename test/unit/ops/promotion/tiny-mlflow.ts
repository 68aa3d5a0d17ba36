import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { MlflowServer } from '../../../../src/ops/mlflow/server.js';
import { answer, FakeServer, type Received } from '../../../support/fake-server.js';
import { modelOf } from './tiny-runs.js';

export interface TrackedRun {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  /** `NaN` as a text, as MLflow writes it; null where none was logged. */
  loss: number | 'NaN' | null;
  /** By path below the artifacts of the run. */
  readonly files: Map<string, Buffer>;
}

interface Version {
  readonly model: string;
  readonly version: string;
  readonly run: string;
  readonly tags: Record<string, string>;
}

/** What promotion asks of a tracking server, which has one experiment, `Training`. */
export class TinyMlflow {
  readonly runs: TrackedRun[] = [];
  readonly versions: Version[] = [];
  /** Of the champion; null where none is. */
  alias: string | null = null;
  hasAliases = true;
  readonly http: FakeServer;

  private constructor(http: FakeServer) {
    this.http = http;
  }

  static async start(): Promise<TinyMlflow> {
    const tiny: TinyMlflow = new TinyMlflow(
      await FakeServer.start((request, response) => tiny.#answer(request, response)),
    );
    return tiny;
  }

  get server(): MlflowServer {
    return new MlflowServer({ address: this.http.url, env: {}, wait: async () => {} });
  }

  /** Adds a run; one that is finished unless something else is said. */
  add(name: string, loss: TrackedRun['loss'], status = 'FINISHED'): TrackedRun {
    const run = { id: `id-${this.runs.length}`, name, status, loss, files: new Map<string, Buffer>() };
    this.runs.push(run);
    return run;
  }

  /** Adds a finished run whose model lies here. @param logged the loss that the server has, where it is another */
  train(name: string, loss: number | null, logged: TrackedRun['loss'] = loss): TrackedRun {
    const run = this.add(name, logged);
    const weights = Buffer.from(`weights of ${name}`);
    const { version, promoted_at, forced, replaces, ...record } = modelOf(1, name, {
      best_val_diffuser_loss: loss,
      files: {
        'unet/model.safetensors': { bytes: weights.length, sha256: createHash('sha256').update(weights).digest('hex') },
      },
    });
    run.files.set('model/best.json', Buffer.from('{}'));
    run.files.set('model/best/unet/model.safetensors', weights);
    run.files.set('model/run.json', Buffer.from(JSON.stringify(record)));
    return run;
  }

  /** Registers what a run became. @param loss of the training that did; null where nobody says */
  register(run: TrackedRun, loss: number | null, model = 'Flowers'): void {
    const number = this.versions.filter((version) => version.model === model).length + 1;
    const tags: Record<string, string> = loss === null ? {} : { best_val_diffuser_loss: `${loss}` };
    this.versions.push({ model, version: `${number}`, run: run.id, tags });
  }

  close(): Promise<void> {
    return this.http.close();
  }

  #answer({ method, path, query, body }: Received, response: ServerResponse): void {
    const [, call = ''] = /^\/api\/2\.0\/(.*)$/.exec(path) ?? [];
    const fields = method === 'GET' ? Object.fromEntries(query) : JSON.parse(body.toString());
    const found =
      method === 'GET' && call.startsWith('mlflow-artifacts/') ? this.#file(call) : this.#call(method, call, fields);
    if (found === null) answer(response, 404, { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'it does not exist' });
    else answer(response, 200, found);
  }

  #call(method: string, call: string, fields: Record<string, string>): object | null {
    const { name = '', version = '', run_id = '', path = '', filter = '' } = fields;
    const versions = this.versions.filter(({ model }) => model === (name || wanted(filter).value));
    switch (`${method} ${call}`) {
      case 'GET mlflow/experiments/get-by-name':
        return fields.experiment_name === 'Training' ? { experiment: { experiment_id: '7' } } : null;
      case 'POST mlflow/runs/search':
        return this.#search(fields);
      case 'GET mlflow/artifacts/list':
        return this.#list(run_id, path);
      case 'GET mlflow/registered-models/get':
        return versions.length > 0 ? { registered_model: { name } } : null;
      case 'GET mlflow/model-versions/search':
        return { model_versions: versions.map(told) };
      case 'GET mlflow/registered-models/alias': {
        const champion = versions.find((each) => each.version === this.alias);
        return champion && this.hasAliases ? { model_version: told(champion) } : null;
      }
      case 'POST mlflow/registered-models/alias':
        if (!this.hasAliases) return null;
        this.alias = version;
        return {};
      case 'POST mlflow/model-versions/set-tag':
        Object.assign(versions.find((each) => each.version === version)?.tags ?? {}, {
          [fields.key as string]: fields.value,
        });
        return {};
    }
    throw new Error(`${method} ${call} is not known`);
  }

  /** One run a page, in the order of {@link runs}. */
  #search(fields: Record<string, string>): object {
    const { experiment_ids, filter = '', page_token: at = '0' } = fields;
    if (`${experiment_ids}` !== '7') throw new Error(`there is no experiment ${experiment_ids}`);
    const { key, value } = wanted(filter);
    const found = this.runs.filter(
      ({ name, status }) => ({ 'attributes.status': status, 'attributes.run_name': name })[key] === value,
    );
    const next = Number(at) + 1;
    return {
      runs: found.slice(Number(at), next).map(toldRun),
      ...(next < found.length && { next_page_token: `${next}` }),
    };
  }

  #list(id: string, folder: string): object {
    const below = [...(this.runs.find((run) => run.id === id)?.files ?? [])].filter(([path]) =>
      path.startsWith(`${folder}/`),
    );
    const files = new Map<string, object>();
    for (const [path, bytes] of below) {
      const [name = '', ...rest] = path.slice(folder.length + 1).split('/');
      const there = {
        path: `${folder}/${name}`,
        is_dir: rest.length > 0,
        file_size: rest.length > 0 ? 0 : bytes.length,
      };
      files.set(name, there);
    }
    return { files: [...files.values()] };
  }

  #file(call: string): Buffer | null {
    const [, id, path = ''] = /^mlflow-artifacts\/artifacts\/7\/([^/]+)\/artifacts\/(.+)$/.exec(call) ?? [];
    return this.runs.find((run) => run.id === id)?.files.get(path) ?? null;
  }
}

/** What a filter asks for: `KEY = 'VALUE'`, or the same with double quotes. */
function wanted(filter: string): { readonly key: string; readonly value: string | undefined } {
  const [, key = '', , value] = /^(\S+) = (['"])(.*)\2$/.exec(filter) ?? [];
  return { key, value };
}

function told({ model, version, run, tags }: Version): object {
  return { name: model, version, run_id: run, tags: Object.entries(tags).map(([key, value]) => ({ key, value })) };
}

function toldRun({ id, name, status, loss }: TrackedRun): object {
  const metrics = loss === null ? [] : [{ key: 'best_val_diffuser_loss', value: loss }];
  return {
    info: { run_id: id, run_name: name, status, artifact_uri: `mlflow-artifacts:/7/${id}/artifacts` },
    data: { metrics },
  };
}
