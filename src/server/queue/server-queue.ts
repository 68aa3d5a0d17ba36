import type { QueuedRequest, RequestOrder } from './queued-request.js';

/** Where a server's requests wait: in its own process, or shared with other servers. */
export interface ServerQueue {
  /** Most requests that wait. */
  readonly limit: number;
  /** Requests that wait, of all servers that share it. */
  readonly length: number;
  /** Requests that are being carried out, of all servers that share it. */
  readonly running: number;
  /** Whether it refuses what comes. */
  readonly draining: boolean;
  /** @throws Refusal queue_full, draining where it is known already that a request of this key would not be taken now */
  admit(key: string): void;
  /**
   * What is refused later than by an error of this call is refused by `accepted` of the request.
   *
   * @throws Refusal queue_full, draining; the signal's reason where it is aborted already
   */
  add(order: RequestOrder): QueuedRequest;
  /** How many are before it; 0 for the next one, and for one that does not wait. */
  position(queued: QueuedRequest): number;
  /** Milliseconds until it should be done, or null where nothing is known. */
  eta(queued: QueuedRequest): number | null;
  /** Calls whenever requests may have come nearer to their turn, until what it returns is called. */
  onMove(call: () => void): () => void;
  /** Refuses what comes, and resolves when all that is here is done, or goes on without this server. */
  drain(): Promise<void>;
  /** Refuses what comes, and ends all that is here and cannot go on without this server. */
  close(): Promise<void>;
}
