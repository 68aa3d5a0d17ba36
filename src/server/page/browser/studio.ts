import type { Api } from './api.js';
import { element } from './dom.js';
import { type DrawingListener, drawImages } from './drawing.js';
import type { DrawnImage, StoredImage } from './history-store.js';
import type { HistoryView } from './history-view.js';
import type { RequestForm } from './request-form.js';
import type { Settings } from './settings.js';
import type { ShownImage } from './shown-image.js';
import type { Stage } from './stage.js';

/** What is being drawn. */
interface Run {
  readonly controller: AbortController;
  /** Sketches are not kept, and give way to whatever comes next. */
  readonly isSketch: boolean;
  /** False after another image was chosen to be seen meanwhile. */
  isWatched: boolean;
}

interface Parts {
  readonly api: Api;
  readonly form: RequestForm;
  readonly stage: Stage;
  readonly shown: ShownImage;
  readonly history: HistoryView;
}

/** Draws what the form says and shows it. One request at a time, the newest. */
export class Studio {
  readonly #draw = element('draw', HTMLButtonElement);
  readonly #cancel = element('cancel', HTMLButtonElement);
  readonly #problem = element('problem', HTMLElement);
  readonly #remove = element('remove', HTMLButtonElement);
  #run: Run | null = null;
  #shownImage: DrawnImage | StoredImage | null = null;

  constructor(private readonly parts: Parts) {
    this.#cancel.addEventListener('click', () => this.cancel());
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.cancel();
    });
    // Nobody would see what is drawn for a page that was left.
    addEventListener('pagehide', () => this.cancel());
  }

  /** Images that are kept. */
  draw(): void {
    void this.#start(this.parts.form.read(), this.parts.form.count, false);
  }

  /** An image of what has been typed so far; not while one that is kept is drawn. */
  sketch(seed: number): void {
    if (this.#run?.isSketch === false) return;
    const settings = this.parts.form.read();
    void this.#start({ ...settings, seed: settings.seed ?? seed }, 1, true);
  }

  cancel(): void {
    this.#run?.controller.abort();
    if (this.#run?.isSketch !== false) return;
    this.parts.stage.end('Cancelled');
    this.#show(this.#shownImage);
  }

  /** Shows an image that was chosen, whatever is drawn meanwhile. */
  choose(drawn: StoredImage): void {
    if (this.#run === null) this.parts.stage.say('');
    else this.#run.isWatched = false;
    this.#show(drawn);
  }

  /** @param drawn null for none */
  #show(drawn: DrawnImage | StoredImage | null): void {
    if (drawn === null) this.parts.stage.clear();
    else this.parts.stage.show(drawn);
    this.#caption(drawn);
  }

  /** Takes the settings of an image into the form, and tells which are not offered here. */
  reuse(found: Parameters<RequestForm['write']>[0]): void {
    const notices = this.parts.form.write(found);
    this.parts.stage.say(['Settings loaded.', ...notices].join(' '));
    this.parts.form.focus();
  }

  /** Deletes the one that is shown, where it is kept. */
  async remove(): Promise<void> {
    const stored = this.#stored;
    if (stored === null) return;
    await this.parts.history.remove(stored);
    this.parts.form.focus();
  }

  /** Shows an image no more that was deleted. */
  forget({ id }: StoredImage): void {
    if (this.#stored?.id === id && this.#run === null) this.#show(null);
  }

  get shown(): DrawnImage | null {
    return this.#shownImage;
  }

  async #start(settings: Settings, n: number, isSketch: boolean): Promise<void> {
    this.#run?.controller.abort();
    const run: Run = { controller: new AbortController(), isSketch, isWatched: true };
    this.#run = run;
    this.#problem.textContent = '';
    this.#markBusy();
    const { api, stage } = this.parts;
    const listener = isSketch ? this.#sketchListener() : this.#listener(run, n * settings.steps);
    const start = performance.now();
    try {
      if (!isSketch) this.#begin(settings, n);
      const options = { n, withPreviews: !isSketch };
      const warnings = await drawImages(api, settings, options, listener, run.controller.signal);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      const drawn = n === 1 ? 'Drawn' : `${n} images drawn`;
      if (!isSketch) stage.end([`${drawn} in ${seconds} s`, ...warnings].join('. '));
    } catch (error) {
      if (!run.controller.signal.aborted) this.#complain(error, run);
    } finally {
      if (this.#run === run) this.#run = null;
      this.#markBusy();
    }
  }

  #begin({ width, height }: Settings, n: number): void {
    this.parts.stage.begin(n, width, height);
    this.parts.shown.show(null);
  }

  #sketchListener(): DrawingListener {
    const nothing = () => {};
    return {
      ...{ waits: nothing, starts: nothing, steps: nothing, previews: nothing },
      done: async (_, drawn) => this.#show(drawn),
    };
  }

  #listener(run: Run, allSteps: number): DrawingListener {
    const { stage } = this.parts;
    const steps = new Map<number, number>();
    return {
      waits: (position, eta) => stage.wait(position, eta),
      starts: () => stage.say('Drawing'),
      steps: (index, step) => {
        steps.set(index, step);
        stage.progress(
          [...steps.values()].reduce((sum, each) => sum + each, 0),
          allSteps,
        );
      },
      previews: (index, preview) => {
        if (run.isWatched) stage.preview(index, preview);
      },
      done: async (index, drawn) => {
        const kept = await this.#keep(drawn);
        if (!run.isWatched) return;
        stage.finish(index, drawn, () => this.#show(kept));
        if (index === 0) this.#caption(kept);
      },
    };
  }

  /** An image that the browser has no room for is shown all the same. */
  async #keep(drawn: DrawnImage): Promise<DrawnImage> {
    try {
      return await this.parts.history.add(drawn);
    } catch (error) {
      this.#problem.textContent = `This browser could not keep the image (${error}). Save it before the next one.`;
      return drawn;
    }
  }

  #caption(drawn: DrawnImage | StoredImage | null): void {
    this.#shownImage = drawn;
    this.parts.shown.show(drawn);
    this.#remove.hidden = this.#stored === null;
    this.parts.history.mark(this.#stored);
  }

  /** The one that is shown, where it is kept. */
  get #stored(): StoredImage | null {
    return this.#shownImage !== null && 'id' in this.#shownImage ? this.#shownImage : null;
  }

  #complain(error: unknown, { isSketch, isWatched }: Run): void {
    this.#problem.textContent = error instanceof Error ? error.message : String(error);
    if (isSketch) return;
    this.parts.stage.end('Not drawn');
    if (isWatched) this.#show(this.#shownImage);
  }

  /** The button that makes sense now; the focus stays where it was. */
  #markBusy(): void {
    const busy = this.#run?.isSketch === false;
    const [shown, hidden] = busy ? [this.#cancel, this.#draw] : [this.#draw, this.#cancel];
    const hadFocus = document.activeElement === hidden;
    shown.hidden = false;
    hidden.hidden = true;
    if (hadFocus) shown.focus();
  }
}
