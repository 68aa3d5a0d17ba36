import type { StepProgress } from '../../pipeline/events.js';
import type { AcceptedRequest } from '../service.js';

/** A request of that program's API, which others of the same client ask after and interrupt. */
export interface OpenRequest {
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
  readonly #open = new Map<string, Set<OpenRequest>>();
  readonly #models = new Map<string, string>();

  add(caller: string, request: OpenRequest): () => void {
    const requests = this.#open.get(caller) ?? new Set();
    this.#open.set(caller, requests.add(request));
    return () => {
      requests.delete(request);
      if (requests.size === 0) this.#open.delete(caller);
    };
  }

  /** The request that was sent first. */
  current(caller: string): OpenRequest | undefined {
    const [first] = this.#open.get(caller) ?? [];
    return first;
  }

  interrupt(caller: string): void {
    for (const request of [...(this.#open.get(caller) ?? [])]) {
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
}
