import { T2IError } from '../errors.js';

/** Ends of a model's process, or losses of its GPU, in a row, without an image in between, after which a server is given up. */
const MOST_CRASHES = 5;

/** Whether a server can go on. One whose model only crashes is for whoever started it to start anew, or to look at. */
export class Health {
  /** Resolves with the reason when the server cannot go on; most never do. */
  readonly broken: Promise<T2IError>;
  #crashes = 0;
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
    this.#crashes = 0;
  }

  crashed(cause: T2IError): void {
    if (++this.#crashes < MOST_CRASHES) return;
    this.#isBroken = true;
    const message = `The process that runs the model ended, or lost its GPU, ${MOST_CRASHES} times in a row, without an image in between`;
    this.#give(new T2IError(cause.code, message, { cause, hint: 'The log says of which requests.' }));
  }
}
