import type { KeySource } from './api.js';
import { element } from './dom.js';

const STORED = 't2i-key';

/** The API key of this tab. It is kept in the session's storage, which other tabs do not see and which ends with the tab. */
export class TabKey implements KeySource {
  #asked: Promise<void> | null = null;

  get key(): string | null {
    return sessionStorage.getItem(STORED);
  }

  /** Opens the dialog; all who ask meanwhile wait for the same answer. */
  ask(wasWrong: boolean): Promise<void> {
    this.#asked ??= this.#open(wasWrong).finally(() => {
      this.#asked = null;
    });
    return this.#asked;
  }

  #open(wasWrong: boolean): Promise<void> {
    const dialog = element('key-dialog', HTMLDialogElement);
    const input = element('key', HTMLInputElement);
    if (wasWrong) element('key-note', HTMLElement).textContent = 'That key was not let in. Try another one.';
    input.value = '';
    dialog.showModal();
    return new Promise((resolve) => {
      const refuseToClose = (event: Event) => event.preventDefault();
      dialog.addEventListener('cancel', refuseToClose);
      dialog.addEventListener(
        'close',
        () => {
          dialog.removeEventListener('cancel', refuseToClose);
          sessionStorage.setItem(STORED, input.value.trim());
          input.value = '';
          resolve();
        },
        { once: true },
      );
    });
  }
}
