import type { ServerResponse } from 'node:http';
import { info, pathsInfo, resolve, sendBytes, tree } from './fake-hub/read-routes.js';
import { isLarge, type Kind, Repository, stored } from './fake-hub/repository.js';
import { space } from './fake-hub/space-routes.js';
import { commit, lfsBatch, preupload, Store } from './fake-hub/write-routes.js';
import { answer, FakeServer, type Received } from './fake-server.js';

/** A token that the fake takes, and no log, error or file may show. */
export const CANARY_TOKEN = 'hf_canaryCANARYcanaryCANARY34';

/**
 * The Hugging Face Hub on loopback, as far as @huggingface/hub, huggingface_hub and this package use it. Large files lie on a second
 * server, another origin, as on the real one.
 */
export class FakeHub {
  /** The Hub itself, whose requests can be made to fail. */
  readonly api: FakeServer;
  /** Where large files lie. */
  readonly objects: FakeServer;
  readonly repositories = new Map<string, Repository>();
  readonly store: Store;
  /** Entries of a page of a tree. */
  pageSize = 1000;
  /** Bytes of a part of a large file that is sent. */
  partSize = 5_000_000;
  /** Tokens that may read what is private, and write. */
  readonly tokens = new Set([CANARY_TOKEN]);

  private constructor(api: FakeServer, objects: FakeServer, store: Store) {
    [this.api, this.objects, this.store] = [api, objects, store];
  }

  static async start(): Promise<FakeHub> {
    const store = new Store();
    let hub: FakeHub;
    const objects = await FakeServer.start((request, response) => {
      if (!['GET', 'HEAD'].includes(request.method)) return store.write(request, response);
      const bytes = store.objects.get(request.path.split('/').at(-1) as string);
      if (bytes) sendBytes(bytes, request, response);
      else answer(response, 404, '');
    });
    const api = await FakeServer.start((request, response) => hub.#answer(request, response));
    hub = new FakeHub(api, objects, store);
    return hub;
  }

  get url(): string {
    return this.api.url;
  }

  async close(): Promise<void> {
    await Promise.all([this.api.close(), this.objects.close()]);
  }

  /** Makes a repository, or a commit in the one that is there. */
  add(id: string, files: Readonly<Record<string, string | Buffer | null>>, kind: Kind = 'models'): Repository {
    const repository = this.repositories.get(`${kind}/${id}`) ?? new Repository(kind, id);
    this.repositories.set(`${kind}/${id}`, repository);
    const added = Object.entries(files).flatMap(([path, content]) => {
      if (content === null) return [];
      const file = stored(Buffer.from(content as string), isLarge(path));
      if (file.sha256) this.store.objects.set(file.sha256, file.bytes);
      return [[path, file] as const];
    });
    repository.commit('add files', added, []);
    return repository;
  }

  /** The environment of a program that is to use this Hub, and a folder for its caches. */
  env(folder: string): Record<string, string> {
    return { HF_ENDPOINT: this.url, HF_HOME: folder };
  }

  #answer(request: Received, response: ServerResponse) {
    const { method, path } = request;
    const token = request.headers.authorization?.replace(/^Bearer /, '');
    if (token !== undefined && !this.tokens.has(token))
      return answer(response, 401, { error: 'Invalid user token.' }, { 'x-error-message': 'Invalid credentials' });
    if (path === '/api/whoami-v2') {
      if (token === undefined) return answer(response, 401, { error: 'Invalid username or password.' });
      return answer(response, 200, { type: 'user', name: 'tester', auth: { type: 'access_token' }, orgs: [] });
    }
    if (method !== 'GET' && method !== 'HEAD' && token === undefined && !path.includes('/paths-info/'))
      return answer(response, 401, { error: 'Invalid username or password.' });
    if (path === '/api/repos/create') return this.#create(request, response);
    const route = readRoute(path);
    const repository = route && this.repositories.get(`${route.kind}/${route.id}`);
    const hidden = repository?.private === true && token === undefined;
    if (!route || !repository || hidden)
      return answer(
        response,
        token === undefined ? 401 : 404,
        { error: 'Repository not found' },
        { 'x-error-code': 'RepoNotFound' },
      );
    if (repository.gated && token === undefined && route.what === 'resolve')
      return answer(response, 403, { error: 'Access to this model is restricted' }, { 'x-error-code': 'GatedRepo' });
    this.#inRepository(repository, route, request, response);
  }

  #inRepository(repository: Repository, { what, rest }: Route, request: Received, response: ServerResponse) {
    if (what === 'lfs') return lfsBatch(request, response, this.store, this.objects.url, this.partSize);
    if (what === 'preupload') return preupload(request, response);
    if (what === 'commit') return commit(repository, request, response, this.store);
    if (['variables', 'secrets', 'runtime', 'logs'].includes(what)) return space(repository, what, request, response);
    if (what === 'refs') return this.#refs(repository, response);
    // A branch is one part of a path; what follows it is the path of a file.
    const [revision = 'main', ...parts] = rest.split('/');
    const found = repository.at(rest) ?? repository.at(revision);
    if (!found)
      return answer(response, 404, { error: `Invalid rev id: ${rest}` }, { 'x-error-code': 'RevisionNotFound' });
    if (what === 'tag') return this.#tag(repository, found.id, request, response);
    if (what === 'tree') return tree(found, request, response, this.#surroundings);
    if (what === 'paths-info') return pathsInfo(found, request, response);
    if (what === 'resolve') return resolve(found, parts.join('/'), request, response, this.#surroundings);
    info(repository, found, request, response);
  }

  get #surroundings() {
    return { store: this.objects.url, pageSize: this.pageSize };
  }

  #create({ body }: Received, response: ServerResponse) {
    const { name, organization, type, visibility } = JSON.parse(body.toString());
    const [kind, id]: [Kind, string] = [type === 'space' ? 'spaces' : 'models', `${organization}/${name}`];
    const url = `${this.url}/${kind === 'spaces' ? 'spaces/' : ''}${id}`;
    if (this.repositories.has(`${kind}/${id}`))
      return answer(response, 409, { error: 'You already created this repo', url });
    const repository = new Repository(kind, id);
    repository.private = visibility === 'private';
    this.repositories.set(`${kind}/${id}`, repository);
    answer(response, 200, { url, id, name: id });
  }

  #tag(repository: Repository, commitId: string, { body }: Received, response: ServerResponse) {
    const { tag } = JSON.parse(body.toString()) as { tag: string };
    if (repository.tags.has(tag)) return answer(response, 409, { error: `Tag ${tag} already exists` });
    repository.tags.set(tag, commitId);
    answer(response, 200, {});
  }

  #refs(repository: Repository, response: ServerResponse) {
    const tags = [...repository.tags].map(([name, target]) => ({
      name,
      ref: `refs/tags/${name}`,
      targetCommit: target,
    }));
    const branches = [{ name: 'main', ref: 'refs/heads/main', targetCommit: repository.head.id }];
    answer(response, 200, { branches, tags, converts: [] });
  }
}

interface Route {
  readonly kind: Kind;
  readonly id: string;
  readonly what: string;
  /** The path that follows. */
  readonly rest: string;
}

function readRoute(path: string): Route | null {
  const [, api, id, what = 'revision', rest = 'main'] =
    /^\/api\/(models|spaces)\/([^/]+\/[^/]+)(?:\/([^/]+)(?:\/(.+))?)?$/.exec(path) ?? [];
  if (api !== undefined && id !== undefined) return { kind: api as Kind, id, what, rest };
  const [, spaces, name, action = '', tail = ''] =
    /^\/(spaces\/)?([^/]+\/[^/]+?)(?:\.git\/info\/(lfs)\/objects\/batch|\/resolve\/(.+))$/.exec(path) ?? [];
  if (name === undefined) return null;
  return { kind: spaces ? 'spaces' : 'models', id: name, what: action || 'resolve', rest: tail };
}
