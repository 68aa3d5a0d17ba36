import { context, createContextKey, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { traceHttp } from '../../../src/server/tracing.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const PARENT = createContextKey('parent');

/** A span that was started, and what was said of it since. */
interface Told {
  name: string;
  readonly attributes: Record<string, unknown>;
  readonly kind: unknown;
  readonly parent: unknown;
  readonly events: string[];
  status: unknown;
  ends: number;
}

let spans: Told[];
const named = (name: string) => spans.find((span) => span.name === name) as Told;

/** An SDK of OpenTelemetry that keeps what it is told. */
beforeEach(() => {
  spans = [];
  const startSpan = (name: string, options: { kind?: unknown; attributes?: object } = {}, at = context.active()) => {
    const told: Told = {
      ...{ name, kind: options.kind, attributes: { ...options.attributes }, parent: at.getValue(PARENT) },
      ...{ events: [], status: undefined, ends: 0 },
    };
    spans.push(told);
    return {
      updateName: (other: string) => (told.name = other),
      setAttributes: (more: object) => Object.assign(told.attributes, more),
      setStatus: (status: unknown) => (told.status = status),
      addEvent: (event: string) => told.events.push(event),
      end: () => told.ends++,
    };
  };
  const startActiveSpan = (name: string, options: object, at: never, work: (span: unknown) => unknown) =>
    work(startSpan(name, options, at));
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan, startActiveSpan }) } as never);
  propagation.setGlobalPropagator({
    inject: () => {},
    extract: (at, carrier) => at.setValue(PARENT, (carrier as Record<string, string>).traceparent),
    fields: () => [],
  });
});
afterEach(() => {
  trace.disable();
  propagation.disable();
});

describe('a server that is traced', () => {
  const request = { prompt: 'a secret wish', steps: 3, seed: 7, n: 2, size: '16x24' };

  it('tells of every request below who sent it, by its route', async () => {
    const { get } = await memoryServer();
    await get('/v1/models/formula', { traceparent: 'the-parent' });
    expect(spans).toEqual([
      {
        ...{ name: 'GET /v1/models/:id', kind: SpanKind.SERVER, parent: 'the-parent', events: [], status: undefined },
        ...{ attributes: { 'http.route': '/v1/models/:id', 'http.response.status_code': 200 }, ends: 1 },
      },
    ]);
  });

  it('tells of every request for images how it went, and nothing of its texts', async () => {
    const { post } = await memoryServer();
    await post('/v1/images/generations', request);
    expect(named('t2i.generate')).toMatchObject({
      attributes: {
        ...{ 't2i.api': 'openai', 't2i.model': 'formula', 't2i.n': 2, 't2i.steps': 3, 't2i.width': 16 },
        ...{ 't2i.height': 24, 't2i.sampler': 'ddim' },
      },
      ...{ events: ['started'], status: undefined, ends: 1 },
    });
    expect(JSON.stringify(spans)).not.toContain('secret');
  });

  it('tells what a request failed with', async () => {
    const model = memoryModel('formula');
    const { post } = await memoryServer({}, { models: [model] });
    model.onStep = () => {
      throw new T2IError('BACKEND_FAILED', 'not this one');
    };
    await post('/v1/images/generations', request);
    expect(named('t2i.generate')).toMatchObject({
      ...{ status: { code: SpanStatusCode.ERROR, message: 'backend_failed' }, events: ['started'], ends: 1 },
    });
  });

  it('ends a span whatever the handling does', async () => {
    const error = new Error('gone');
    await expect(traceHttp('GET', new Headers(), () => Promise.reject(error))).rejects.toBe(error);
    expect(spans).toMatchObject([{ name: 'GET', ends: 1 }]);
  });
});
