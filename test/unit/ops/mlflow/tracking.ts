import { afterAll, beforeAll, beforeEach } from 'vitest';
import { MlflowServer } from '../../../../src/ops/mlflow/server.js';
import { answer, FakeServer, type Received } from '../../../support/fake-server.js';

/** A question as the server got it. */
export interface Question {
  readonly method: string;
  /** Below `/api/2.0/`. */
  readonly path: string;
  /** What its query held, or its body. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** An answer that is a failure. */
export class Failure {
  constructor(
    readonly status: number,
    readonly message = 'no',
  ) {}
}

/** A tracking server for the tests of a file, each of which says what it answers. */
export class TrackingServer {
  /** JSON, or a {@link Failure}. */
  answers: (question: Question) => unknown = () => ({});
  #fake: FakeServer | undefined;

  constructor() {
    beforeAll(async () => {
      this.#fake = await FakeServer.start((request, response) => {
        const given = this.answers(questionOf(request));
        if (!(given instanceof Failure)) return answer(response, 200, given);
        answer(response, given.status, { error_code: 'ERROR', message: given.message }, { 'retry-after': '0' });
      });
    });
    beforeEach(() => {
      this.answers = () => ({});
      this.fake.requests.length = 0;
      this.fake.stopFailing();
    });
    afterAll(() => this.#fake?.close());
  }

  get fake(): FakeServer {
    return this.#fake as FakeServer;
  }

  get questions(): Question[] {
    return this.fake.requests.map(questionOf);
  }

  client(env: Readonly<Record<string, string>> = {}, signal?: AbortSignal): MlflowServer {
    return new MlflowServer({ address: this.fake.url, env, signal, wait: async () => {} });
  }
}

function questionOf({ method, path, query, body }: Received): Question {
  const fields = body.length > 0 ? JSON.parse(body.toString()) : Object.fromEntries(query);
  return { method, path: path.replace('/api/2.0/', ''), fields };
}
