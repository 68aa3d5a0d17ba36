/** What an image is made from, each value as it is sent. */
export interface Settings {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly model: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly sampler: string;
  /** Null for the model's own choice. */
  readonly sigmas: 'default' | 'karras' | null;
  /** Null for the sampler's own choice. */
  readonly eta: number | null;
  /** Null for a random one. */
  readonly seed: number | null;
}

/** The settings as fields of a request to the server; with `n` images, the seed counts up. */
export function requestOf(settings: Settings, n: number): Record<string, unknown> {
  const { prompt, negativePrompt, model, width, height, steps, guidanceScale, sampler, sigmas, eta, seed } = settings;
  return {
    model,
    prompt,
    ...(negativePrompt !== '' && { negative_prompt: negativePrompt }),
    size: `${width}x${height}`,
    steps,
    guidance_scale: guidanceScale,
    sampler,
    ...(sigmas !== null && { sigmas }),
    ...(eta !== null && { eta }),
    ...(seed !== null && { seed }),
    ...(n > 1 && { n }),
  };
}

/** A seed as the SDK chooses one: an integer of 32 bits. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** In a few words what made an image, besides its prompt. */
export function describeSettings(settings: Settings): string {
  const { width, height, steps, guidanceScale, sampler, sigmas, eta, seed, model } = settings;
  return [
    `${width} × ${height}`,
    `${steps} ${steps === 1 ? 'step' : 'steps'}`,
    `${sampler}${sigmas === 'karras' ? ' Karras' : ''}${eta ? `, eta ${eta}` : ''}`,
    `guidance ${guidanceScale}`,
    seed === null ? 'random seed' : `seed ${seed}`,
    model,
  ].join('  ·  ');
}
