import { type Attributes, context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

/** Does nothing where the program has set up no OpenTelemetry SDK. */
const tracer = () => trace.getTracer('@t2i/sdk');

/** Runs the handling of a request as a span, below the one that its headers name. */
export function traceHttp<T>(method: string, headers: Headers, work: (span: Span) => Promise<T>): Promise<T> {
  const parent = propagation.extract(context.active(), Object.fromEntries(headers));
  return tracer().startActiveSpan(method, { kind: SpanKind.SERVER }, parent, async (span) => {
    try {
      return await work(span);
    } finally {
      span.end();
    }
  });
}

/** Follows a request through the queue; no text of it becomes an attribute. */
export function traceRequest(facts: Attributes) {
  const attributes = Object.fromEntries(Object.entries(facts).map(([name, value]) => [`t2i.${name}`, value]));
  const span = tracer().startSpan('t2i.generate', { attributes });
  return {
    started: () => span.addEvent('started'),
    /** @param code what it failed with, or null */
    end(code: string | null) {
      if (code !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: code });
      span.end();
    },
  };
}
