import { T2IError } from '../errors.js';

/** Ends of a model's process, losses of its GPU and backends that are not there, in a row, after which a server is given up. */
const MOST_FAILURES = 5;

/** Whether a server can go on. One whose model only crashes is for whoever started it to start anew, or to look at. */
export class Health {
  /** Resolves with the reason when the server cannot go on; most never do. */
  readonly broken: Promise<T2IError>;
  #failures = 0;
  #isBroken = false;
  #give!: (reason: T2IError) => void;

  constructor() {
    this.broken = new Promise((resolve) => {
      this.#give = resolve;
    });
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(cause: T2IError): void {
    if (++this.#failures < MOST_FAILURES) return;
    this.#isBroken = true;
    const message = `The model could not be run ${MOST_FAILURES} times in a row, without an image in between: ${cause.message}`;
    this.#give(new T2IError(cause.code, message, { cause, hint: 'The log says of which requests.' }));
  }
}
