import type { Request } from '../../options.js';

/** Requests of one model whose likeness is the same are drawn together: all that decides an image is the same, but for the seed. */
export function likenessOf({ seeds: _, ...like }: Request): string {
  return JSON.stringify(like);
}
