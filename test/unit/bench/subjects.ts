import type { FirstImage, Subject } from '../../../src/bench/subject.js';

/** A subject that takes what it is told to take, and writes down what it was asked for. */
export function fakeSubject(
  options: Partial<Subject> & { ms?: number; networksMs?: number | null; room?: number } = {},
): Subject & {
  readonly asked: string[];
} {
  const { name = 'a', ms = 100, networksMs = 90, room, ...rest } = options;
  const asked: string[] = [];
  const first: FirstImage = { ms: ms * 10, loadMs: ms * 8, memory: { process: 50 * 2 ** 20, children: 100 * 2 ** 20 } };
  return {
    asked,
    name,
    runsOn: `${name} 1.0 on the CPU`,
    warmups: 1,
    concurrency: [1, 2],
    warnings: new Set(),
    draw: async (requests) => {
      asked.push(`${name}${requests}`);
      const made = Math.min(requests, room ?? requests);
      return {
        wallMs: ms * made,
        images: Array.from({ length: made }, (_, i) => ({ ms: ms * (i + 1), unetMs: ms * 0.8, networksMs })),
        ...(room !== undefined && { refused: requests - made }),
        eventLoopDelayMs: networksMs === null ? null : 1.5,
        pixels: { rgb: Uint8Array.of(ms, 2, 3), width: 1, height: 1 },
      };
    },
    firstImage: async () => {
      asked.push(`${name}-first`);
      return first;
    },
    close: async () => {},
    ...rest,
  };
}
