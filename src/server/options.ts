import type { DestinationStream } from 'pino';
import { s3AddressIssues } from '../aws/s3-address.js';
import { type Issue, T2IError } from '../errors.js';
import {
  checkFields,
  describeValue,
  type Field,
  fieldIssues,
  integer,
  isRecord,
  milliseconds,
  oneOf,
  real,
  refuse,
  text,
} from '../fields.js';
import { LOAD_FIELDS, type LoadOptions } from '../options.js';
import { BACKEND_NAMES } from '../pipeline/weights-of.js';
import type { Pipeline } from '../pipeline.js';
import { hostnameOf } from './http/headers.js';
import { ApiKeys } from './http/keys.js';
import type { LimitOptions } from './http/limits.js';
import type { BucketOptions } from './images/bucket.js';
import type { FolderOptions } from './images/folder.js';
import type { ImageStoreOptions } from './images/image-store.js';
import { addressIssues, type RedisOptions } from './redis/address.js';

/** A model to serve: its directory or name as `Pipeline.load` takes it, or that under an id, or a pipeline that is open. */
export type ModelSource =
  | string
  | { readonly id: string; readonly model: string }
  | { readonly id?: string | undefined; readonly pipeline: Pipeline };

/** How models are opened: what `Pipeline.load` takes, but for what is each request's or the server's own. */
type ServedLoadOptions = Pick<
  LoadOptions,
  'backend' | 'python' | 'threads' | 'device' | 'isolation' | 'strict' | 'tensorrtLibDir'
>;

/** How a server is made; everything has a default. */
export interface ServerOptions {
  /** What clients may name; the first is the default. Default: the model that ships. */
  models?: readonly ModelSource[] | undefined;
  /** How models are opened. */
  load?: ServedLoadOptions | undefined;
  /** Bytes that open models may take together, by an estimate from their files; the least recently used is closed. Default: no limit. */
  memory?: number | undefined;
  /** Open the first model at once, and fail where that fails. Default: false. */
  preload?: boolean | undefined;
  /** Keys that clients must send one of, each the key or `sha256:` and its hash in hex. Default: none is asked for. */
  apiKeys?: readonly string[] | undefined;
  /** Most requests that wait. Default: 64. */
  queue?: number | undefined;
  /** Most of them of one key. Default: half of them where there are several keys, else all. */
  queuePerKey?: number | undefined;
  /** Milliseconds that an idle server waits for requests like the first one, to carry them out together. Default: 5. */
  batchWindow?: number | undefined;
  /** Most images that are made together for several requests. Default: 8. */
  batchImages?: number | undefined;
  limits?: LimitOptions | undefined;
  /** Keeps images that are asked for by url. Default: none are. */
  imageStore?: ImageStoreOptions | undefined;
  /**
   * Shares the queue, its bounds and the jobs with other servers and workers over a Redis. Needs the packages bullmq and ioredis.
   * Default: none.
   */
  redis?: RedisOptions | undefined;
  /** Origins of pages elsewhere that may use the server, as browsers send them: `https://example.org`. Default: none. */
  cors?: readonly string[] | undefined;
  /** Names that the Host header may have, in small letters and without port. Default: any. */
  hosts?: readonly string[] | undefined;
  /** Where lines of JSON are logged. Default: nowhere. */
  log?: DestinationStream | undefined;
  /** Log prompts, too. Default: false. */
  logPrompts?: boolean | undefined;
}

const list = (expected: string): Field => ({ expected, accepts: Array.isArray });
const record = (expected: string): Field => ({ expected, accepts: (value) => isRecord(value) });
/** Others would be taken, and never be those that a browser sends. */
function isOrigin(value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  const { origin, protocol } = new URL(value);
  return origin === value && ['http:', 'https:'].includes(protocol) && !value.includes('*');
}

const isHost = (value: unknown) => typeof value === 'string' && hostnameOf(value) === value;
const flag: Field = { expected: 'true or false', accepts: (value) => typeof value === 'boolean' };
const word = text('text', 1, 4096);

function isModel(value: unknown): boolean {
  if (!isRecord(value)) return word.accepts(value);
  const only = (...names: string[]) => Object.keys(value).every((name) => names.includes(name));
  if ('pipeline' in value)
    return only('id', 'pipeline') && isPipeline(value.pipeline) && (value.id === undefined || word.accepts(value.id));
  return only('id', 'model') && word.accepts(value.id) && word.accepts(value.model);
}

/** By what a server needs of it: it may be of another copy of the package. */
function isPipeline(value: unknown): boolean {
  return isRecord(value) && isRecord(value.model) && typeof value.stream === 'function';
}

const FIELDS: Record<keyof ServerOptions, Field> = {
  models: list('a list of models'),
  load: record('options of Pipeline.load'),
  memory: integer(1, Number.MAX_SAFE_INTEGER, 'a number of bytes'),
  preload: flag,
  apiKeys: list('a list of keys'),
  queue: integer(1, 100_000),
  queuePerKey: integer(1, 100_000),
  batchWindow: real(0, 1000, 'milliseconds from 0 to 1000'),
  batchImages: integer(1, 100),
  limits: record('an object of limits'),
  imageStore: record(
    'a folder or a place in S3, and the milliseconds that images are kept: { dir, ttl } or { s3, ttl }',
  ),
  redis: record('an address: { url, draws, lock }'),
  cors: list('a list of origins'),
  hosts: list('a list of names of hosts'),
  log: {
    expected: 'a stream to write to',
    accepts: (value) => isRecord(value) && typeof value.write === 'function',
  },
  logPrompts: flag,
};

/** What the lists among them hold. */
const ELEMENTS = {
  models: { expected: 'the name or path of a model, { id, model } or { id, pipeline }', accepts: isModel },
  cors: {
    expected: 'origins as browsers send them, such as https://example.org, without path or *',
    accepts: isOrigin,
  },
  hosts: { expected: 'names of hosts in small letters, without port', accepts: isHost },
} satisfies Partial<Record<keyof ServerOptions, Field>>;

const LOADING_FIELDS: Record<keyof ServedLoadOptions, Field> = {
  backend: oneOf(BACKEND_NAMES),
  python: LOAD_FIELDS.python,
  threads: LOAD_FIELDS.threads,
  device: LOAD_FIELDS.device,
  isolation: LOAD_FIELDS.isolation,
  strict: LOAD_FIELDS.strict,
  tensorrtLibDir: LOAD_FIELDS.tensorrtLibDir,
};

const LIMIT_FIELDS: Record<keyof LimitOptions, Field> = {
  images: integer(1, 100),
  side: integer(1, 4096),
  steps: integer(1, 1000),
  bodyBytes: integer(1000, 1 << 30),
  timeout: milliseconds(1000, 24 * 3600 * 1000),
};

const REDIS_FIELDS: Record<keyof RedisOptions, Field> = {
  // Checked by itself: it is not quoted.
  url: { expected: 'an address', accepts: () => true },
  draws: flag,
  lock: milliseconds(500, 600_000),
};

const STORE_FIELDS: Record<keyof FolderOptions | keyof BucketOptions, Field> = {
  dir: text('the path of a folder', 1, 4096),
  s3: text('s3://BUCKET/PREFIX', 1, 4096),
  ttl: milliseconds(1000, 30 * 24 * 3600 * 1000),
  maxBytes: integer(1, Number.MAX_SAFE_INTEGER),
};

/** What is missing of an image store, or too much. */
function placeIssues({
  dir,
  s3,
  ttl,
  maxBytes,
}: Partial<Record<keyof FolderOptions | keyof BucketOptions, unknown>>): Issue[] {
  const issue = (option: string, expected: string, received: string) => ({
    option: `imageStore.${option}`,
    expected,
    received,
  });
  const issues: Issue[] = typeof s3 === 'string' ? s3AddressIssues(s3, 'imageStore.s3') : [];
  if (dir === undefined && s3 === undefined) issues.push(issue('dir', 'a folder, or s3 with an address', 'nothing'));
  if (dir !== undefined && s3 !== undefined) issues.push(issue('s3', 'nothing beside dir', describeValue(s3)));
  if (s3 !== undefined && maxBytes !== undefined)
    issues.push(issue('maxBytes', 'nothing with s3, whose bucket has rules of its own', describeValue(maxBytes)));
  if (ttl === undefined) issues.push(issue('ttl', 'the milliseconds that images are kept', 'nothing'));
  return issues;
}

/** What is wrong with what a list holds; but keys, which are not quoted. */
function elementIssues(options: ServerOptions): Issue[] {
  const issues: Issue[] = [];
  for (const [option, field] of Object.entries(ELEMENTS)) {
    const given: unknown = options[option as keyof typeof ELEMENTS];
    for (const value of Array.isArray(given) ? given : []) issues.push(...fieldIssues(option, value, field));
  }
  return issues;
}

function keyIssues(keys: unknown): Issue[] {
  if (!Array.isArray(keys)) return [];
  if (keys.length === 0) return [{ option: 'apiKeys', expected: 'at least one key', received: 'none' }];
  if (keys.every((key) => typeof key === 'string')) return [...ApiKeys.read(keys).issues];
  return [{ option: 'apiKeys', expected: 'keys that are text', received: 'something else' }];
}

/**
 * Checks the options of a server, or of what takes some of them.
 *
 * @param names those that are taken. Default: all.
 * @throws T2IError OPTION_INVALID with every mistake in `issues`
 */
export function checkServerOptions(
  options: ServerOptions,
  names: readonly (keyof ServerOptions)[] = Object.keys(FIELDS) as (keyof ServerOptions)[],
): void {
  const issues: Issue[] = checkFields(options, Object.fromEntries(names.map((name) => [name, FIELDS[name]])));
  if (!isRecord(options)) refuse(issues);
  issues.push(...elementIssues(options));
  const within = (name: 'load' | 'limits' | 'imageStore' | 'redis', fields: Readonly<Record<string, Field>>) => {
    const value = options[name];
    if (!isRecord(value)) return;
    issues.push(...checkFields(value, fields).map((issue) => ({ ...issue, option: `${name}.${issue.option}` })));
  };
  within('load', LOADING_FIELDS);
  within('redis', REDIS_FIELDS);
  if (isRecord(options.redis)) issues.push(...addressIssues('redis.url', options.redis.url));
  within('limits', LIMIT_FIELDS);
  within('imageStore', STORE_FIELDS);
  if (isRecord(options.imageStore)) issues.push(...placeIssues(options.imageStore));
  issues.push(...keyIssues(options.apiKeys));
  if (Array.isArray(options.models) && options.models.length === 0) {
    throw new T2IError('OPTION_INVALID', 'models: expected at least one model, received none');
  }
  refuse(issues);
}
