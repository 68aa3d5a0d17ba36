import type { Issue } from '../../errors.js';
import { MAX_PROMPT_LENGTH, type RequestLimits, type RequestOptions } from '../../options.js';

/** What one request may ask of the server, whatever the model could do. Checked before anything is allocated for it. */
export interface LimitOptions {
  /** Most images. Default: 10. */
  readonly images?: number | undefined;
  /** Longest side in pixels. Default: 2048. */
  readonly side?: number | undefined;
  /** Most steps. Default: 200. */
  readonly steps?: number | undefined;
  /** Most bytes of a body. Default: 1 MiB. */
  readonly bodyBytes?: number | undefined;
  /** Milliseconds from acceptance to the last image. Default: 10 minutes, as OpenAI's clients wait. */
  readonly timeout?: number | undefined;
}

export class ServerLimits {
  readonly images: number;
  readonly side: number;
  readonly steps: number;
  readonly bodyBytes: number;
  readonly timeout: number;
  readonly promptLength = MAX_PROMPT_LENGTH;

  constructor({ images = 10, side = 2048, steps = 200, bodyBytes = 1 << 20, timeout = 600_000 }: LimitOptions = {}) {
    this.images = images;
    this.side = side;
    this.steps = steps;
    this.bodyBytes = bodyBytes;
    this.timeout = timeout;
  }

  /** Every option above its limit; wrong types are for the model's own check. */
  issuesOf(options: Pick<RequestOptions, 'n' | 'seeds' | 'width' | 'height' | 'steps'>): Issue[] {
    const most = (name: string, value: unknown, limit: number): Issue[] => {
      if (!Number.isSafeInteger(value) || (value as number) <= limit) return [];
      return [{ option: name, expected: `at most ${limit} on this server`, received: String(value) }];
    };
    return [
      ...most('n', options.n ?? options.seeds?.length, this.images),
      ...most('width', options.width, this.side),
      ...most('height', options.height, this.side),
      ...most('steps', options.steps, this.steps),
    ];
  }

  /** The limits below what a model does unless it is told otherwise: nobody could simply ask for an image. */
  issuesWith(model: string, { nativeSize, defaults }: RequestLimits): Issue[] {
    const least = (name: 'side' | 'steps', value: number): Issue[] => {
      if (value <= this[name]) return [];
      const expected = `at least ${value}, the default of ${model}`;
      return [{ option: `limits.${name}`, expected, received: String(this[name]) }];
    };
    return [...least('side', Math.max(nativeSize.width, nativeSize.height)), ...least('steps', defaults.steps)];
  }
}
