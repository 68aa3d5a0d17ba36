import { element } from './dom.js';
import type { RequestForm } from './request-form.js';
import { randomSeed } from './settings.js';

/** Milliseconds without a change before an image is drawn. */
const PAUSE = 150;

/** Asks for a sketch whenever one pauses to type, where the preset is fast and the switch is on. */
export class Sketching {
  readonly #switch = element('live', HTMLInputElement);
  /** The same while the page is open: a prompt's sketches look alike as it grows. */
  readonly #seed = randomSeed();
  #timer = 0;

  constructor(
    private readonly form: RequestForm,
    private readonly sketch: (seed: number) => void,
  ) {
    this.#switch.checked = true;
  }

  edited(): void {
    this.stop();
    this.#timer = setTimeout(() => {
      if (this.#switch.checked && this.form.isFast && this.form.isValid) this.sketch(this.#seed);
    }, PAUSE);
  }

  /** What was typed last is not drawn. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}
