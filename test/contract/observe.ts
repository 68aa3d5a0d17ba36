import { expect } from 'vitest';

/** How often the event loop turns while something is awaited. */
export async function turnsDuring(action: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let next: NodeJS.Immediate;
  const turn = () => {
    turns++;
    next = setImmediate(turn);
  };
  turn();
  try {
    await action();
    return turns;
  } finally {
    clearImmediate(next!);
  }
}

/** How far two images are apart: the largest difference of a byte, and the share of bytes that differ. */
export function difference(a: Uint8Array, b: Uint8Array): { largest: number; share: number } {
  expect(a.length).toBe(b.length);
  const differences = a.map((value, index) => Math.abs(value - (b[index] as number)));
  return { largest: Math.max(...differences), share: differences.filter((value) => value > 0).length / a.length };
}
