import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Dialect, Operation } from '../../../src/server/http/operation.js';
import { openapiDocument } from '../../../src/server/openapi.js';
import { memoryServer } from '../../support/memory-server.js';

const ERROR = z.object({ why: z.string() });

/** What the document says of one route. */
function told(operation: Partial<Operation>, ...more: Partial<Operation>[]) {
  const common = { method: 'get', path: '/x', summary: 'What it does.', handle: () => new Response() } as const;
  const answer = { status: 200, content: z.object({ a: z.int() }) };
  const operations = [operation, ...more].map((each) => ({ ...common, answer, ...each })) as Operation[];
  const dialect: Dialect = {
    ...{ name: 'mine', owns: () => true, errorBody: () => ({}), errorSchema: ERROR },
    operations,
  };
  const { paths } = openapiDocument([dialect]);
  return { paths, route: Object.values(Object.values(paths)[0] ?? {})[0] as Record<string, never> };
}

describe('the document of the routes', () => {
  it('says of one what it takes, answers and refuses with', () => {
    const body = z.strictObject({ n: z.int().default(1) });
    const { route } = told({ method: 'post', body });
    expect(route).toEqual({
      ...{ summary: 'What it does.', tags: ['mine'] },
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: expect.objectContaining({
              type: 'object',
              properties: { n: expect.objectContaining({ default: 1 }) },
            }),
          },
        },
      },
      responses: {
        200: {
          description: expect.any(String),
          content: { 'application/json': { schema: expect.objectContaining({ required: ['a'] }) } },
        },
        default: {
          description: expect.any(String),
          content: { 'application/json': { schema: expect.objectContaining({ required: ['why'] }) } },
        },
      },
    });
    expect(JSON.stringify(route)).not.toContain('$schema');
    expect(JSON.stringify(route.requestBody)).not.toContain('"required":["n"]');
  });

  it('names the parts of its path, with their values where they are known', () => {
    const { paths, route } = told({ path: '/v2/models/:model/:version', values: { model: ['a', 'b'] } });
    expect(Object.keys(paths)).toEqual(['/v2/models/{model}/{version}']);
    expect(route.parameters).toEqual([
      { name: 'model', in: 'path', required: true, schema: { type: 'string', enum: ['a', 'b'] } },
      { name: 'version', in: 'path', required: true, schema: { type: 'string' } },
    ]);
    expect(told({}).route).not.toHaveProperty('parameters');
  });

  it('says which route needs no key', () => {
    expect(told({ open: true }).route.security).toEqual([]);
    expect(told({}).route).not.toHaveProperty('security');
    expect(told({}).route).not.toHaveProperty('requestBody');
  });

  it('tells the media types of what is no JSON', () => {
    const { route } = told({ answer: { status: 206, content: ['image/png', 'image/webp'] } });
    expect(route.responses).toMatchObject({ 206: { content: { 'image/png': {}, 'image/webp': {} } } });
    expect(told({ answer: { status: 204, content: [] } }).route.responses).toMatchObject({ 204: { content: {} } });
  });

  it('has all methods of one path together', () => {
    const { paths } = told({ method: 'get' }, { method: 'post' }, { path: '/y' });
    expect(Object.entries(paths).map(([path, methods]) => [path, Object.keys(methods)])).toEqual([
      ['/x', ['get', 'post']],
      ['/y', ['get']],
    ]);
  });

  it('is what a server answers of itself: every route of its clients, with what each answers', async () => {
    const { get } = await memoryServer();
    const { status, body } = await get('/openapi.json');
    expect([status, body.openapi, body.info.version]).toEqual([200, '3.1.0', expect.stringMatching(/^\d+\.\d+\.\d+/)]);
    expect(body.security).toEqual([{ key: [] }]);
    expect(body.components.securitySchemes.key).toEqual({ type: 'http', scheme: 'bearer' });
    const routes = Object.entries<Record<string, { responses: Record<string, { content: object }>; tags: string[] }>>(
      body.paths,
    ).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, says]) => ({ route: `${method} ${path}`, says })),
    );
    const tags = new Set(routes.flatMap(({ says }) => says.tags));
    expect([...tags].sort()).toEqual(
      ['a1111', 'capabilities', 'jobs', 'kserve', 'openai', 'sagemaker', 'torchserve'].sort(),
    );
    for (const { route, says } of routes) {
      const [code, ...more] = Object.keys(says.responses).filter((each) => each !== 'default');
      expect([code, more], route).toEqual([expect.stringMatching(/^20\d$/), []]);
      expect(Object.keys(says.responses[code as string]?.content ?? {}), route).not.toEqual([]);
      expect(says.responses.default?.content, route).toHaveProperty(['application/json', 'schema', 'type']);
    }
    expect(routes.map(({ route }) => route)).toEqual(
      expect.arrayContaining(['get /v1/capabilities', 'post /v1/images/generations', 'post /predictions/{model}']),
    );
  });

  it('says what the values of a schema are, not that anything goes', async () => {
    const { body } = await (await memoryServer()).get('/openapi.json');
    const schema = body.paths['/v1/capabilities'].get.responses[200].content['application/json'].schema;
    expect(schema.required).toEqual(['version', 'models', 'formats', 'limits', 'queue', 'image_store']);
  });
});
