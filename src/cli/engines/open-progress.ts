import type { NetworkName, OpenProgress } from '../../backends/backend.js';
import type { Io } from '../io.js';
import { formatSeconds } from '../quantities.js';
import { StatusLine } from '../status-line.js';

const WORDS = { build: 'building', check: 'checking' } as const;

/** Networks as users meet them: the folders of a model directory. */
export const NETWORK_LABELS: Readonly<Record<NetworkName, string>> = {
  textEncoder: 'text encoder',
  unet: 'unet',
  vaeDecoder: 'vae decoder',
};

/** Shows on standard error how far engines are: built one network after the other, each checked. */
export class EngineProgress {
  readonly #line: StatusLine;
  readonly #now: () => number;
  #current = '';
  #start = 0;

  /** @param now milliseconds of a clock that never goes back */
  constructor(io: Io, now: () => number = () => performance.now()) {
    this.#line = new StatusLine(io, now);
    this.#now = now;
  }

  readonly update = ({ phase, network, fraction, detail }: OpenProgress): void => {
    const work = `${WORDS[phase]} ${NETWORK_LABELS[network]}`;
    if (work !== this.#current) [this.#current, this.#start] = [work, this.#now()];
    const seconds = formatSeconds((this.#now() - this.#start) / 1000);
    const parts = [work, `${Math.floor(fraction * 100)} %`, seconds, detail];
    this.#line.show(parts.filter((part) => part !== '').join(', '));
  };

  /** Removes the line from a terminal. Call it at the end, too. */
  clear(): void {
    this.#line.clear();
  }
}
