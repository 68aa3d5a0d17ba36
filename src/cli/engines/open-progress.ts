import type { LoadProgress, NetworkName, EngineProgress as Progress } from '../../backends/backend.js';
import type { Io } from '../io.js';
import { formatSeconds } from '../quantities.js';
import { StatusLine } from '../status-line.js';

const WORDS = { build: 'building', check: 'checking' } as const;

/** Networks as users meet them: the folders of a model directory. */
const LABELS: Readonly<Record<NetworkName, string>> = {
  textEncoder: 'text encoder',
  unet: 'unet',
  vaeDecoder: 'vae decoder',
};

/** Shows on standard error how far engines are: built one network after the other, each checked. */
export class EngineProgress {
  readonly #line: StatusLine;
  readonly #now: () => number;
  /** When the work on each network began and ended, so far. */
  readonly #spans = new Map<NetworkName, { readonly start: number; end: number }>();
  #phase: Progress['phase'] = 'build';
  #network: NetworkName | null = null;
  #phaseStart = 0;

  /** @param now milliseconds of a clock that never goes back */
  constructor(io: Io, now: () => number = () => performance.now()) {
    this.#line = new StatusLine(io, now);
    this.#now = now;
  }

  /** What is fetched has a line of its own, and is left out. */
  readonly update = (progress: LoadProgress): void => {
    if (progress.phase === 'download') return;
    const { phase, network, fraction, detail } = progress;
    if (network !== this.#network || phase !== this.#phase) this.#begin(network, phase);
    const seconds = formatSeconds((this.#now() - this.#phaseStart) / 1000);
    const parts = [`${WORDS[phase]} ${LABELS[network]}`, `${Math.floor(fraction * 100)} %`, seconds, detail];
    this.#line.show(parts.filter((part) => part !== '').join(', '));
  };

  /** Call it when all work is done. */
  finish(): void {
    const span = this.#network === null ? undefined : this.#spans.get(this.#network);
    if (span) span.end = this.#now();
    this.#network = null;
  }

  /** How long the work on a network took; 0 where there was none. */
  seconds(network: NetworkName): number {
    const span = this.#spans.get(network);
    return span === undefined ? 0 : (span.end - span.start) / 1000;
  }

  /** Removes the line from a terminal. Call it at the end, too. */
  clear(): void {
    this.#line.clear();
  }

  #begin(network: NetworkName, phase: Progress['phase']): void {
    const now = this.#now();
    if (network !== this.#network) {
      this.finish();
      this.#spans.set(network, { start: now, end: now });
    }
    [this.#network, this.#phase, this.#phaseStart] = [network, phase, now];
  }
}
