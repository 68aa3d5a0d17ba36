import { element, make } from './dom.js';
import type { DrawnImage } from './history-store.js';

/** The large images: those being drawn, or one that was chosen. */
export class Stage {
  readonly #images = element('images', HTMLElement);
  readonly #status = element('status', HTMLElement);
  readonly #row = element('progress-row', HTMLElement);
  readonly #bar = element('progress', HTMLProgressElement);
  readonly #text = element('progress-text', HTMLElement);

  /** Places for images that are about to be drawn; what they replace stays until the first preview. */
  begin(n: number, width: number, height: number): void {
    this.#place(n, width, height);
    this.#images.dataset.state = 'drawing';
    this.#row.hidden = false;
    this.#bar.removeAttribute('value');
    this.#text.textContent = '';
    this.say('Sent');
  }

  /** @param position of the request in the queue: 0 for the next one */
  wait(position: number, etaSeconds: number | null): void {
    const time = etaSeconds === null ? '' : `, about ${Math.max(1, Math.round(etaSeconds))} s`;
    this.say(position === 0 ? `Next in the queue${time}` : `${position} before this one${time}`);
  }

  /** How far all images are together. */
  progress(done: number, total: number): void {
    this.#bar.max = total;
    this.#bar.value = done;
    this.#text.textContent = `${done} of ${total} steps`;
  }

  preview(image: number, preview: Blob): void {
    this.#fill(image, preview, 'Preview of the image being drawn');
  }

  /** @param choose called where it is one of several and is clicked */
  finish(image: number, { blob, settings }: DrawnImage, choose: () => void): void {
    this.#fill(image, blob, settings.prompt);
    const place = this.#images.children[image];
    if (!(place instanceof HTMLButtonElement)) return;
    place.disabled = false;
    place.addEventListener('click', choose, { once: true });
  }

  /** No more is coming. */
  end(message: string): void {
    this.#images.dataset.state = 'done';
    this.#row.hidden = true;
    this.say(message);
  }

  /** One image alone. */
  show({ blob, settings }: DrawnImage): void {
    this.#place(1, settings.width, settings.height);
    this.#images.dataset.state = 'done';
    this.#fill(0, blob, settings.prompt);
  }

  clear(): void {
    this.#place(0, 1, 1);
  }

  /** Told to those who listen as well. */
  say(message: string): void {
    this.#status.textContent = message;
  }

  /** What stands in places of the same form stays until it is replaced, so that nothing flickers. */
  #place(n: number, width: number, height: number): void {
    const form = `${n} of ${width} / ${height}`;
    if (this.#images.dataset.form === form) return;
    this.#images.dataset.form = form;
    for (const image of this.#images.querySelectorAll('img')) URL.revokeObjectURL(image.src);
    const places = Array.from({ length: n }, () => {
      const image = make('img', { width, height, alt: '' });
      image.hidden = true;
      return n === 1
        ? make('div', { className: 'place' }, image)
        : make('button', { type: 'button', className: 'place', disabled: true }, image);
    });
    this.#images.replaceChildren(...places);
    this.#images.style.setProperty('--ratio', `${width} / ${height}`);
    this.#images.dataset.count = n === 1 ? 'one' : 'many';
  }

  #fill(image: number, blob: Blob, alt: string): void {
    const shown = this.#images.children[image]?.querySelector('img');
    if (!shown) return;
    URL.revokeObjectURL(shown.src);
    shown.src = URL.createObjectURL(blob);
    shown.alt = alt;
    shown.hidden = false;
  }
}
