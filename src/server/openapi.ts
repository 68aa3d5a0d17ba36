import { z } from 'zod';
import { packageVersion } from '../pipeline/package-version.js';
import type { Dialect, Operation } from './http/operation.js';
import { openaiError } from './openai/errors.js';
import { OPENAI_ERROR } from './openai/schema.js';

const schemaOf = (schema: z.ZodType, io: 'input' | 'output') => {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { target: 'draft-2020-12', io });
  return json;
};

/** The OpenAPI 3.1 document of some APIs, made from what checks their requests. */
export function openapiDocument(dialects: readonly Dialect[]) {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const dialect of dialects) {
    for (const operation of dialect.operations) {
      const path = operation.path.replace(/:([^/]+)/g, '{$1}');
      paths[path] = { ...paths[path], [operation.method]: describeOperation(operation, dialect) };
    }
  }
  const [, version = '0'] = packageVersion().split(' ');
  return {
    openapi: '3.1.0',
    info: { title: 't2i serve', version, description: 'Text to image over HTTP.' },
    security: [{ key: [] }],
    components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
    paths,
  };
}

function describeOperation({ summary, path, values, body, answer, open }: Operation, dialect: Dialect) {
  const { status, content } = answer;
  const types = content instanceof z.ZodType ? { 'application/json': { schema: schemaOf(content, 'output') } } : null;
  const others = Array.isArray(content) ? Object.fromEntries(content.map((type: string) => [type, {}])) : null;
  const parameters = [...path.matchAll(/:([^/]+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', ...(values?.[name] && { enum: values[name] }) },
  }));
  return {
    summary,
    tags: [dialect.name],
    ...(open && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body, 'input') } } },
    }),
    responses: {
      [status]: { description: 'Done.', content: types ?? others ?? {} },
      default: {
        description: 'Refused or failed.',
        content: { 'application/json': { schema: schemaOf(dialect.errorSchema, 'output') } },
      },
    },
  };
}

/** The document of some APIs, as a route. */
export function openapiDialect(dialects: readonly Dialect[]): Dialect {
  const document = openapiDocument(dialects);
  return {
    name: 'openapi',
    owns: () => false,
    errorBody: openaiError,
    errorSchema: OPENAI_ERROR,
    operations: [
      {
        method: 'get',
        path: '/openapi.json',
        summary: 'This document.',
        answer: { status: 200, content: z.record(z.string(), z.unknown()) },
        handle: (context) => context.json(document),
      },
    ],
  };
}
