import type { Defaults } from './capabilities.js';
import { choice, element } from './dom.js';
import type { ModelFields } from './model-fields.js';

/** The preset under which images are drawn while one types. */
const FAST = 'fast';

/** The row of a model's presets. What is chosen follows from the fields' values: none where they are of no preset. */
export class PresetChoice {
  readonly #row = element('presets', HTMLFieldSetElement);
  readonly #liveRow = element('live-row', HTMLElement);

  constructor(private readonly fields: ModelFields) {
    this.#row.addEventListener('change', ({ target }) => {
      const chosen = target instanceof HTMLInputElement && this.#values().get(target.value);
      if (chosen) this.fields.use(chosen);
      this.follow();
    });
  }

  get isFast(): boolean {
    return this.#checked?.value === FAST;
  }

  /** Anew, for the model that is chosen. */
  build(): void {
    const names = [...this.#values().keys()];
    this.#row.hidden = names.length < 2;
    this.#row.replaceChildren(
      this.#row.querySelector('legend') ?? '',
      ...names.map((name) => choice('preset', name, name.charAt(0).toUpperCase() + name.slice(1))),
    );
    this.follow();
  }

  /** Shows which preset the fields have the values of. */
  follow(): void {
    const values = this.#values();
    for (const input of this.#row.querySelectorAll('input')) {
      const preset = values.get(input.value);
      input.checked = preset !== undefined && this.fields.has(preset);
    }
    this.#liveRow.hidden = !this.isFast;
  }

  get #checked(): HTMLInputElement | null {
    return this.#row.querySelector<HTMLInputElement>('input:checked');
  }

  #values(): Map<string, Defaults> {
    const { defaults, presets } = this.fields.model;
    return new Map([['standard', defaults], ...Object.entries(presets)]);
  }
}
