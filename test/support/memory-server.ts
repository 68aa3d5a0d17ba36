import { Writable } from 'node:stream';
import { type Assembled, assembleServer } from '../../src/server/create-server.js';
import type { ServedModel } from '../../src/server/models/served-model.js';
import type { ServerOptions } from '../../src/server/options.js';
import type { Clock } from '../../src/server/queue/clock.js';
import { MEMORY_MODEL, type MemorySession, memoryPipeline, memoryTokenizer } from './memory-session.js';

/** A model of a server whose networks are a formula. */
export interface MemoryModel extends ServedModel {
  /** One for each time that it was opened. */
  readonly sessions: MemorySession[];
  /** Steps that were done so far. */
  readonly steps: number;
  /** Called at each step. */
  onStep: (steps: number) => void;
}

export function memoryModel(id: string, options: Partial<ServedModel> = {}): MemoryModel {
  const sessions: MemorySession[] = [];
  let steps = 0;
  const model: MemoryModel = {
    ...{ id, model: { ...MEMORY_MODEL, name: id }, tokenizer: memoryTokenizer(), bytes: 100, closes: true, sessions },
    get steps() {
      return steps;
    },
    onStep: () => {},
    async open() {
      const { pipeline, session } = memoryPipeline();
      const generate = session.generate.bind(session);
      session.generate = (job, control = {}) =>
        generate(job, {
          ...control,
          onStep: (event) => {
            model.onStep(++steps);
            control.onStep?.(event);
          },
        });
      sessions.push(session);
      return pipeline;
    },
  };
  return Object.assign(model, options);
}

export interface MemoryServer extends Assembled {
  /** Models of the server, in their order. */
  readonly models: readonly MemoryModel[];
  /** Everything that was logged. */
  logged(): string;
  /** Sends a JSON body, and reads the answer as JSON. */
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server sends
  readonly body: any;
}

/** A server in memory, called without a socket; without a window for batches unless it is given. */
export async function memoryServer(
  options: ServerOptions = {},
  { models = [memoryModel('formula')], clock }: { models?: MemoryServer['models']; clock?: Clock | undefined } = {},
): Promise<MemoryServer> {
  let log = '';
  const sink = new Writable({
    write(chunk, _encoding, done) {
      log += chunk;
      done();
    },
  });
  const assembled = await assembleServer(models, { batchWindow: 0, log: sink, ...options }, clock);
  const call = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await assembled.app.request(path, init);
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') && text !== '';
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  };
  return {
    ...assembled,
    models,
    logged: () => log,
    post: (path, body, headers = {}) =>
      call(path, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      }),
    get: (path, headers = {}) => call(path, { headers }),
  };
}
