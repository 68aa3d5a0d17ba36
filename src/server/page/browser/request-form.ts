import type { Capabilities } from './capabilities.js';
import { element } from './dom.js';
import type { FoundSettings } from './image-settings.js';
import { ModelFields } from './model-fields.js';
import { PresetChoice } from './preset-choice.js';
import type { Settings } from './settings.js';

/** The form of what to draw: built from what the server can do, read and written as settings. */
export class RequestForm {
  readonly #form = element('request', HTMLFormElement);
  readonly #prompt = element('prompt', HTMLTextAreaElement);
  readonly #negative = element('negative', HTMLInputElement);
  readonly #seed = element('seed', HTMLInputElement);
  readonly #count = element('count', HTMLInputElement);
  readonly #fields: ModelFields;
  readonly #presets: PresetChoice;

  constructor(capabilities: Capabilities) {
    this.#prompt.maxLength = capabilities.maxPromptLength;
    this.#negative.maxLength = capabilities.maxPromptLength;
    this.#seed.max = String(Number.MAX_SAFE_INTEGER);
    this.#count.max = String(capabilities.maxImages);
    this.#fields = new ModelFields(capabilities.models, () => this.#presets.build());
    this.#presets = new PresetChoice(this.#fields);
    this.reset();
    this.#form.addEventListener('input', () => this.#presets.follow());
    this.#prompt.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    // A field in a closed part cannot be pointed at.
    const settings = element('settings', HTMLDetailsElement);
    settings.addEventListener('invalid', () => settings.setAttribute('open', ''), true);
    element('reset', HTMLButtonElement).addEventListener('click', () => this.reset());
  }

  /**
   * Opens the form.
   *
   * @param onDraw called when the form is sent and every field is right
   * @param onEdit called when something was changed by hand
   */
  watch(onDraw: () => void, onEdit: () => void): void {
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      onDraw();
    });
    this.#form.addEventListener('input', onEdit);
    element('fields', HTMLFieldSetElement).disabled = false;
  }

  /** Whether images may be drawn while one types: the fast preset is chosen. */
  get isFast(): boolean {
    return this.#presets.isFast;
  }

  /** Whether every field is right; the user is not told. */
  get isValid(): boolean {
    return [...this.#form.elements].every((field) => !('validity' in field) || (field.validity as ValidityState).valid);
  }

  /** Images to draw. */
  get count(): number {
    return this.#count.valueAsNumber;
  }

  read(): Settings {
    return {
      ...this.#fields.read(),
      prompt: this.#prompt.value,
      negativePrompt: this.#negative.value,
      seed: this.#seed.value === '' ? null : this.#seed.valueAsNumber,
    };
  }

  /**
   * Puts settings that came from an image into the fields.
   *
   * @returns a sentence for each that is not offered here
   */
  write(found: FoundSettings): string[] {
    const notices = this.#fields.write(found);
    this.#prompt.value = found.prompt ?? this.#prompt.value;
    this.#negative.value = found.negativePrompt ?? '';
    this.#seed.value = found.seed == null ? '' : String(found.seed);
    this.#count.valueAsNumber = 1;
    this.#presets.follow();
    return notices;
  }

  /** The model's own values in every field but the prompt. */
  reset(): void {
    this.#negative.value = '';
    this.#seed.value = '';
    this.#count.valueAsNumber = 1;
    this.#fields.useDefaults();
    this.#presets.build();
  }

  focus(): void {
    this.#prompt.focus();
  }
}
