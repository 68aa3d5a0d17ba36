import type { Capabilities, Defaults, ModelCapabilities } from './capabilities.js';
import { element, make } from './dom.js';
import type { Settings } from './settings.js';

/** The settings that depend on what a model can do. */
export type ModelSettings = Omit<Settings, 'prompt' | 'negativePrompt' | 'seed'>;

/** The fields of a model's settings, with its limits. */
export class ModelFields {
  readonly #model = element('model', HTMLSelectElement);
  readonly #width = element('width', HTMLInputElement);
  readonly #height = element('height', HTMLInputElement);
  readonly #steps = element('steps', HTMLInputElement);
  readonly #guidance = element('guidance', HTMLInputElement);
  readonly #sampler = element('sampler', HTMLSelectElement);
  readonly #sigmas = element('sigmas', HTMLSelectElement);
  readonly #eta = element('eta', HTMLInputElement);

  /** @param onModel called when another model was chosen and the fields have its defaults */
  constructor(
    private readonly models: Capabilities['models'],
    onModel: () => void,
  ) {
    this.#model.replaceChildren(...models.map(({ id }) => make('option', { value: id }, id)));
    element('model-row', HTMLElement).hidden = models.length === 1;
    this.#model.addEventListener('change', () => {
      this.useDefaults();
      onModel();
    });
    this.#sampler.addEventListener('change', () => this.#limitToSampler());
    this.useDefaults();
  }

  /** The model that is chosen. */
  get model(): ModelCapabilities {
    return this.models.find(({ id }) => id === this.#model.value) ?? this.models[0];
  }

  /** Puts the model's own values into every field. */
  useDefaults(): void {
    const { size, samplers, defaults } = this.model;
    for (const [input, side] of [
      [this.#width, size.width],
      [this.#height, size.height],
    ] as const) {
      Object.assign(input, { min: String(size.multipleOf), max: String(size.max), step: String(size.multipleOf) });
      input.readOnly = size.fixed;
      input.title = size.fixed ? 'This model draws one size only' : '';
      input.valueAsNumber = side;
    }
    this.#sampler.replaceChildren(...Object.keys(samplers).map((name) => make('option', { value: name }, name)));
    this.#sigmas.value = '';
    this.#eta.value = '';
    this.use(defaults);
  }

  /** Puts the values of a preset into the fields that it is about. */
  use({ steps, guidanceScale, sampler }: Defaults): void {
    this.#sampler.value = sampler;
    this.#steps.valueAsNumber = steps;
    this.#guidance.valueAsNumber = guidanceScale;
    this.#limitToSampler();
  }

  /** Whether the fields have the values of a preset. */
  has({ steps, guidanceScale, sampler }: Defaults): boolean {
    return (
      this.#steps.valueAsNumber === steps &&
      this.#guidance.valueAsNumber === guidanceScale &&
      this.#sampler.value === sampler
    );
  }

  read(): ModelSettings {
    const { value: sigmas } = this.#sigmas;
    return {
      model: this.model.id,
      width: this.#width.valueAsNumber,
      height: this.#height.valueAsNumber,
      steps: this.#steps.valueAsNumber,
      guidanceScale: this.#guidance.valueAsNumber,
      sampler: this.#sampler.value,
      sigmas: !this.#sigmas.disabled && (sigmas === 'karras' || sigmas === 'default') ? sigmas : null,
      eta: this.#eta.disabled || this.#eta.value === '' ? null : this.#eta.valueAsNumber,
    };
  }

  /**
   * Puts settings that came from elsewhere into the fields. What is not offered here leaves its field as it was.
   *
   * @returns a sentence for each of those
   */
  write(found: Partial<ModelSettings>): string[] {
    const notices: string[] = [];
    if (found.model !== undefined && found.model !== this.model.id) {
      if (this.models.some(({ id }) => id === found.model)) {
        this.#model.value = found.model;
        this.useDefaults();
      } else {
        notices.push(`It was drawn by ${found.model}, which is not here.`);
      }
    }
    const { size, samplers } = this.model;
    const { width = size.width, height = size.height, sampler = this.#sampler.value } = found;
    if (size.fixed && (width !== size.width || height !== size.height)) {
      notices.push(`This model draws ${size.width} × ${size.height} only, not ${width} × ${height}.`);
    } else {
      this.#width.valueAsNumber = width;
      this.#height.valueAsNumber = height;
    }
    if (Object.hasOwn(samplers, sampler)) this.#sampler.value = sampler;
    else notices.push(`There is no sampler ${sampler} here.`);
    if (found.steps !== undefined) this.#steps.valueAsNumber = found.steps;
    if (found.guidanceScale !== undefined) this.#guidance.valueAsNumber = found.guidanceScale;
    this.#sigmas.value = found.sigmas ?? '';
    this.#eta.value = found.eta == null ? '' : String(found.eta);
    this.#limitToSampler();
    return notices;
  }

  /** Shows what the sampler takes, and no more. */
  #limitToSampler(): void {
    const { eta = false, karras = false, maxSteps = 1 } = this.model.samplers[this.#sampler.value] ?? {};
    this.#steps.max = String(maxSteps);
    this.#sigmas.disabled = !karras;
    element('sigmas-row', HTMLElement).hidden = !karras;
    this.#eta.disabled = !eta;
    element('eta-row', HTMLElement).hidden = !eta;
  }
}
