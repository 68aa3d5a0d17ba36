import { element, make } from './dom.js';
import type { DrawnImage, HistoryStore, StoredImage } from './history-store.js';

export interface HistoryListener {
  /** To be shown large. */
  chosen(drawn: StoredImage): void;
  /** Deleted, or too old to be kept. */
  gone(drawn: StoredImage): void;
}

/** The small images of all that was drawn, newest first. One of them is in the order of the Tab key; the arrow keys reach the others. */
export class HistoryView {
  readonly #section = element('history', HTMLElement);
  readonly #list = element('history-images', HTMLUListElement);
  readonly #images = new Map<HTMLButtonElement, StoredImage>();

  /** Ids of images that are not stored are below zero. */
  #lastUnstored = 0;
  #listener: HistoryListener = { chosen: () => {}, gone: () => {} };

  /** @param store null where this browser keeps nothing */
  constructor(private readonly store: HistoryStore | null) {
    this.#list.addEventListener('keydown', (event) => this.#move(event));
    const dialog = element('clear-dialog', HTMLDialogElement);
    element('clear', HTMLButtonElement).addEventListener('click', () => {
      dialog.returnValue = '';
      dialog.showModal();
    });
    dialog.addEventListener('close', () => {
      if (dialog.returnValue === 'delete') void this.#clear();
    });
  }

  watch(listener: HistoryListener): void {
    this.#listener = listener;
  }

  /**
   * Shows what was drawn before.
   *
   * @returns the newest of it
   */
  async load(): Promise<StoredImage | null> {
    const images = (await this.store?.all()) ?? [];
    for (const drawn of images) this.#insert(drawn);
    this.#update();
    return images.at(-1) ?? null;
  }

  /** Keeps an image that was just drawn. */
  async add(drawn: DrawnImage): Promise<StoredImage> {
    const { stored, dropped } = (await this.store?.add(drawn)) ?? {
      stored: { ...drawn, id: --this.#lastUnstored },
      dropped: [],
    };
    this.#insert(stored);
    for (const id of dropped) this.#take(id);
    this.#update();
    return stored;
  }

  async remove(drawn: StoredImage): Promise<void> {
    await this.store?.remove(drawn.id);
    this.#take(drawn.id);
    this.#update();
  }

  /** Marks the one that is shown large; null for none. */
  mark(shown: StoredImage | null): void {
    for (const [button, { id }] of this.#images) {
      button.setAttribute('aria-pressed', String(id === shown?.id));
    }
  }

  async #clear(): Promise<void> {
    await this.store?.clear();
    for (const { id } of [...this.#images.values()]) this.#take(id);
    this.#update();
  }

  #insert(drawn: StoredImage): void {
    const { prompt, seed } = drawn.settings;
    const label = `${prompt}, seed ${seed}`;
    const thumbnail = make('img', { src: URL.createObjectURL(drawn.blob), alt: label, title: prompt, loading: 'lazy' });
    const button = make('button', { type: 'button', tabIndex: -1 }, thumbnail);
    button.setAttribute('aria-pressed', 'false');
    button.addEventListener('click', () => this.#listener.chosen(drawn));
    this.#images.set(button, drawn);
    this.#list.prepend(make('li', {}, button));
  }

  #take(id: number): void {
    for (const [button, drawn] of this.#images) {
      if (drawn.id !== id) continue;
      URL.revokeObjectURL(button.querySelector('img')?.src ?? '');
      button.parentElement?.remove();
      this.#images.delete(button);
      this.#listener.gone(drawn);
    }
  }

  #update(): void {
    const buttons = this.#buttons;
    this.#section.hidden = buttons.length === 0;
    if (!buttons.some(({ tabIndex }) => tabIndex === 0) && buttons[0]) buttons[0].tabIndex = 0;
  }

  #move(event: KeyboardEvent): void {
    const buttons = this.#buttons;
    const current = buttons.find((button) => button === document.activeElement);
    const at = current ? buttons.indexOf(current) : -1;
    const drawn = current && this.#images.get(current);
    if (!drawn) return;
    const columns = buttons.filter(({ offsetTop }) => offsetTop === buttons[0]?.offsetTop).length;
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns,
      ArrowDown: columns,
      Home: -at,
      End: buttons.length - 1 - at,
    };
    const to = event.key === 'Delete' ? (buttons[at + 1] ?? buttons[at - 1]) : buttons[at + (steps[event.key] ?? NaN)];
    if (event.key === 'Delete') void this.remove(drawn);
    else if (steps[event.key] === undefined) return;
    event.preventDefault();
    if (!to) return;
    current.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }

  get #buttons(): HTMLButtonElement[] {
    return [...this.#list.querySelectorAll('button')];
  }
}
