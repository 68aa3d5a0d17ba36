import { asCode, CODE_KINDS, type CodeKind } from './as-code.js';
import { choice, element } from './dom.js';
import type { DrawnImage } from './history-store.js';
import { describeSettings } from './settings.js';

/** What stands below the large image: its prompt, its settings, and what can be done with them. */
export class ShownImage {
  readonly #section = element('shown', HTMLElement);
  readonly #save = element('save', HTMLAnchorElement);
  readonly #kinds = element('code-kinds', HTMLFieldSetElement);
  readonly #snippet = element('snippet', HTMLElement);
  readonly #copy = element('copy', HTMLButtonElement);
  #drawn: DrawnImage | null = null;

  /** @param needsKey whether programs must send a key to this server */
  constructor(private readonly needsKey: () => boolean) {
    this.#kinds.append(...CODE_KINDS.map((kind) => choice('code', kind, kind)));
    const [first] = this.#kinds.querySelectorAll('input');
    if (first) first.checked = true;
    this.#kinds.addEventListener('change', () => this.#writeCode());
    this.#copy.addEventListener('click', () => void this.#copyCode());
  }

  /** @param drawn null for none */
  show(drawn: DrawnImage | null): void {
    this.#drawn = drawn;
    this.#section.hidden = drawn === null;
    URL.revokeObjectURL(this.#save.href);
    if (drawn === null) return;
    const { settings, blob } = drawn;
    element('caption', HTMLElement).textContent = settings.prompt;
    element('facts', HTMLElement).textContent = describeSettings(settings);
    this.#save.href = URL.createObjectURL(blob);
    this.#save.download = `t2i-${settings.seed}.png`;
    this.#writeCode();
  }

  #writeCode(): void {
    const kind = (this.#kinds.querySelector<HTMLInputElement>('input:checked')?.value ?? 'curl') as CodeKind;
    if (this.#drawn === null) return;
    const server = new URL('.', document.baseURI).href;
    this.#snippet.textContent = asCode(kind, this.#drawn.settings, server, this.needsKey());
    this.#copy.textContent = 'Copy';
  }

  async #copyCode(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.#snippet.textContent ?? '');
      this.#copy.textContent = 'Copied';
    } catch {
      // Browsers keep the clipboard from pages that came over plain HTTP from another machine.
      getSelection()?.selectAllChildren(this.#snippet);
      this.#copy.textContent = 'Selected; copy it with the keyboard';
    }
  }
}
