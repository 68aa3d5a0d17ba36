import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../../src/pipeline/event-queue.js';

const preview = (image: number, step: number) => ({ type: 'step', image, step, steps: 9, preview: `${image}.${step}` });
const image = (number: number) => ({ type: 'image', image: number });

async function told(...events: object[]): Promise<object[]> {
  const queue = new EventQueue();
  for (const event of events) queue.push(event as never);
  queue.end();
  const found: object[] = [];
  for await (const event of queue) found.push(event);
  return found;
}

describe('the events of a job', () => {
  it('arrive in their order, each image’s previews that wait but for the newest without the picture', async () => {
    const step = { type: 'step', image: 0, step: 1, steps: 9 };
    expect(await told(step, preview(0, 2), preview(1, 2), image(5), preview(0, 3), step)).toEqual([
      step,
      { type: 'step', image: 0, step: 2, steps: 9 },
      preview(1, 2),
      image(5),
      preview(0, 3),
      step,
    ]);
  });

  it('keep their preview where a later step has none, or is of another image', async () => {
    const plain = { type: 'step', image: 0, step: 3, steps: 9 };
    expect(await told(preview(0, 2), plain, preview(1, 3))).toEqual([preview(0, 2), plain, preview(1, 3)]);
  });

  it('wait for the loop, and the loop for them', async () => {
    const queue = new EventQueue();
    const loop = queue[Symbol.asyncIterator]();
    const first = loop.next();
    queue.push(image(0) as never);
    expect(await first).toEqual({ done: false, value: image(0) });
    const last = loop.next();
    queue.end();
    expect(await last).toEqual({ done: true, value: undefined });
  });
});
