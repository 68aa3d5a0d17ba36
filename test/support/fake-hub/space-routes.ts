import type { ServerResponse } from 'node:http';
import { answer, type Received } from '../fake-server.js';
import type { Repository } from './repository.js';

/** Routes that only a Space has: its variables and secrets, how it does, and the log of its build as server-sent events. */
export function space(repository: Repository, what: string, request: Received, response: ServerResponse) {
  if (what === 'runtime') {
    const { stages, head, runs } = repository;
    const stage = stages.length > 1 ? stages.shift() : stages[0];
    return answer(response, 200, {
      stage,
      hardware: { current: 'cpu-basic', requested: 'cpu-basic' },
      sha: runs.shift() ?? head.id,
    });
  }
  if (what === 'logs') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const events = repository.log.map(
      (data) => `data: ${JSON.stringify({ data, timestamp: '2026-01-01T00:00:00Z' })}\n\n`,
    );
    response.end(`: keep-alive\n\n${events.join('')}`);
    return;
  }
  const values = what === 'secrets' ? repository.secrets : repository.variables;
  if (request.method === 'POST') {
    const { key, value } = JSON.parse(request.body.toString()) as { key: string; value: string };
    values.set(key, value);
  }
  const told = [...values].map(([key, value]) => [key, what === 'secrets' ? { key } : { key, value }]);
  answer(response, 200, Object.fromEntries(told));
}
