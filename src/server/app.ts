import { Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { cors } from 'hono/cors';
import { routePath } from 'hono/route';
import { authenticate, checkHost, checkOrigin, requestId } from './http/guards.js';
import { ANSWER_HEADERS } from './http/headers.js';
import type { ApiKeys } from './http/keys.js';
import type { Dialect, Operation, RequestVariables } from './http/operation.js';
import { type Refusal, refusal, refusalOf } from './http/refusal.js';
import type { ServerLog } from './log.js';
import type { ServerMetrics } from './metrics.js';
import { traceHttp } from './tracing.js';

export type App = Hono<{ Variables: RequestVariables }>;

export interface AppOptions {
  /** The first one that owns a path writes its errors; the last one owns all. */
  readonly dialects: readonly Dialect[];
  /** Null lets everybody in. */
  readonly keys: ApiKeys | null;
  /** Names that the Host header may have; null for any. */
  readonly hosts: readonly string[] | null;
  /** Origins of pages that may use the server from elsewhere. */
  readonly origins: readonly string[];
  readonly bodyBytes: number;
  readonly metrics: ServerMetrics;
  readonly log: ServerLog;
}

/** The routes of some APIs behind one door: id, host, origin, key, room in the queue and size are checked in this order, before any handler. */
export function createApp(options: AppOptions): App {
  const { dialects, keys, hosts, origins, bodyBytes } = options;
  const operations = dialects.flatMap((dialect) => dialect.operations);
  const app: App = new Hono();
  app.use(observe(options));
  app.use(requestId);
  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(ANSWER_HEADERS)) if (!c.res.headers.has(name)) c.header(name, value);
  });
  if (hosts !== null) app.use(checkHost(hosts));
  app.use(checkOrigin(origins));
  if (origins.length > 0) {
    app.use(cors({ origin: [...origins], exposeHeaders: ['x-request-id', 'retry-after'], maxAge: 600 }));
  }
  app.use(authenticate(keys, opensFor(operations)));
  for (const { method, path, admit } of operations) {
    if (admit === undefined) continue;
    app.on(method, path, async (c, next) => {
      admit(c.get('caller'));
      await next();
    });
  }
  app.use(bodyLimit({ maxSize: bodyBytes, onError: () => refuseBody(bodyBytes) }));
  for (const { method, path, handle } of operations) app.on(method, path, (c) => handle(c));
  app.notFound((c) => {
    throw noRoute(operations, c.req.method, c.req.path);
  });
  app.onError((error, c) => {
    const refused = refusalOf(error);
    if (refused.status >= 500 && refused.cause !== undefined) {
      options.log.error({ requestId: c.get('requestId'), err: refused.cause }, 'failed');
    }
    return errorResponse(refused, c.req.path, c.get('requestId'), dialects);
  });
  return app;
}

function refuseBody(most: number): never {
  throw refusal('body_too_large', `A body may have ${most} bytes`);
}

/** Whether a route is answered without a key. */
function opensFor(operations: readonly Operation[]): (method: string, path: string) => boolean {
  const open = operations.filter((each) => each.open).map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  return (method, path) => open.includes(`${method === 'HEAD' ? 'GET' : method} ${path}`);
}

function errorResponse(refused: Refusal, path: string, id: string, dialects: readonly Dialect[]): Response {
  const dialect = dialects.find(({ owns }) => owns(path)) as Dialect;
  const { status, retryAfter } = refused;
  const headers = new Headers({ 'content-type': 'application/json' });
  if (retryAfter !== undefined) headers.set('retry-after', String(retryAfter));
  if (status === 401) headers.set('www-authenticate', 'Bearer');
  // OpenAI's clients repeat every 5xx; most of ours would fail again.
  if (status >= 500 && retryAfter === undefined) headers.set('x-should-retry', 'false');
  return new Response(JSON.stringify(dialect.errorBody(refused, id)), { status, headers });
}

/** Measures every request, and traces it; paths are told as their routes, of which there are few. */
function observe({ metrics }: AppOptions): MiddlewareHandler {
  return async (c, next) => {
    const start = performance.now();
    await traceHttp(c.req.method, c.req.raw.headers, async (span) => {
      await next();
      const route = routePath(c, -1);
      span.updateName(`${c.req.method} ${route}`);
      span.setAttributes({ 'http.route': route, 'http.response.status_code': c.res.status });
      const labels = { method: c.req.method, route, status: String(c.res.status) };
      metrics.http.observe(labels, (performance.now() - start) / 1000);
    });
  };
}

/** Why no route was found: none has the path, or none of its routes the method. */
function noRoute(operations: readonly Operation[], method: string, path: string): Refusal {
  const methods = operations.filter((each) => patternOf(each.path).test(path)).map((each) => each.method.toUpperCase());
  if (methods.length === 0) return refusal('not_found', `There is nothing at ${JSON.stringify(path)}`);
  return refusal('method_not_allowed', `${JSON.stringify(path)} takes ${methods.join(', ')}, and not ${method}`);
}

const patternOf = (path: string) => new RegExp(`^${path.replaceAll('.', '\\.').replace(/:[^/]+/g, '[^/]+')}$`);
