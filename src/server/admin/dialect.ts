import { z } from 'zod';
import type { Health } from '../health.js';
import type { Dialect } from '../http/operation.js';
import type { ServerMetrics } from '../metrics.js';
import { openaiError } from '../openai/errors.js';
import { OPENAI_ERROR } from '../openai/schema.js';
import type { ServerQueue } from '../queue/server-queue.js';
import { statusOf } from './pulse.js';

const STATE = z.object({ status: z.enum(['ok', 'draining', 'broken', 'stuck']) });

/** What operators ask, on a listener of its own: under load the others' connections would keep it waiting. */
export function adminDialect(queue: ServerQueue, metrics: ServerMetrics, health: Health): Dialect {
  return {
    name: 'admin',
    owns: () => true,
    errorBody: openaiError,
    errorSchema: OPENAI_ERROR,
    operations: [
      {
        method: 'get',
        path: '/healthz',
        summary:
          'Whether the process lives and can go on; 503 where the model crashed too often in a row, or nothing moves any more.',
        answer: { status: 200, content: STATE },
        open: true,
        handle(context) {
          const life = health.isBroken ? 'broken' : 'ok';
          return context.json({ status: life }, statusOf(life));
        },
      },
      {
        method: 'get',
        path: '/readyz',
        summary: 'Whether it takes requests; 503 while it drains.',
        answer: { status: 200, content: STATE },
        handle: (context) =>
          queue.draining ? context.json({ status: 'draining' }, 503) : context.json({ status: 'ok' }),
      },
      {
        method: 'get',
        path: '/metrics',
        summary: 'Metrics for Prometheus.',
        answer: { status: 200, content: ['text/plain'] },
        async handle(context) {
          const { registry } = metrics;
          return context.body(await registry.metrics(), 200, { 'content-type': registry.contentType });
        },
      },
    ],
  };
}
