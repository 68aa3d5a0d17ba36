import type { StepProgress } from '../../pipeline/events.js';
import type { AcceptedRequest } from '../service.js';

/** A request of that program's API, which others of the same client ask after and interrupt. */
export interface OpenRequest {
  readonly caller: string;
  readonly accepted: AcceptedRequest;
  readonly since: Date;
  readonly interrupt: () => void;
  progress: StepProgress | null;
  interrupted: boolean;
}

/** Callers whose choice of model is remembered; the one that chose first is forgotten first. */
const MAX_CALLERS = 1000;

/** That program serves one user, and knows "the" request and "the" model; here each caller has its own. */
export class Sessions {
  /** In the order that they were sent. */
  readonly #open = new Set<OpenRequest>();
  readonly #models = new Map<string, string>();

  add(request: OpenRequest): () => void {
    this.#open.add(request);
    return () => this.#open.delete(request);
  }

  /** The request that was sent first. */
  current(caller: string): OpenRequest | undefined {
    return this.#of(caller)[0];
  }

  interrupt(caller: string): void {
    for (const request of this.#of(caller)) {
      request.interrupted = true;
      request.interrupt();
    }
  }

  modelOf(caller: string): string | undefined {
    return this.#models.get(caller);
  }

  choose(caller: string, model: string): void {
    this.#models.delete(caller);
    this.#models.set(caller, model);
    const [oldest] = this.#models.keys();
    if (this.#models.size > MAX_CALLERS) this.#models.delete(oldest as string);
  }

  #of(caller: string): OpenRequest[] {
    return [...this.#open].filter((request) => request.caller === caller);
  }
}
