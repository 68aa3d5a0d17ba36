import type { Settings } from './settings.js';

/** An image that is done. */
export interface DrawnImage {
  readonly blob: Blob;
  /** What made it, its own seed included. */
  readonly settings: Settings;
  /** Milliseconds since 1970. */
  readonly drawnAt: number;
}

export interface StoredImage extends DrawnImage {
  readonly id: number;
}

const STORE = 'images';
/** The oldest of more are deleted. */
const MAX_IMAGES = 500;

/** Images that survive a reload, in this browser's IndexedDB. */
export class HistoryStore {
  private constructor(private readonly database: IDBDatabase) {}

  static async open(): Promise<HistoryStore> {
    const request = indexedDB.open('t2i', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id', autoIncrement: true });
    return new HistoryStore(await settled(request));
  }

  /** Oldest first. */
  all(): Promise<StoredImage[]> {
    return settled<StoredImage[]>(this.#images('readonly').getAll());
  }

  /** @returns the image under its id, and the ids of older ones that had to go */
  async add(drawn: DrawnImage): Promise<{ stored: StoredImage; dropped: number[] }> {
    const id = Number(await settled(this.#images('readwrite').add(drawn)));
    const ids = (await settled(this.#images('readonly').getAllKeys())).map(Number);
    const dropped = ids.slice(0, Math.max(0, ids.length - MAX_IMAGES));
    await Promise.all(dropped.map((old) => this.remove(old)));
    return { stored: { ...drawn, id }, dropped };
  }

  async remove(id: number): Promise<void> {
    await settled(this.#images('readwrite').delete(id));
  }

  async clear(): Promise<void> {
    await settled(this.#images('readwrite').clear());
  }

  #images(mode: IDBTransactionMode): IDBObjectStore {
    return this.database.transaction(STORE, mode).objectStore(STORE);
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
