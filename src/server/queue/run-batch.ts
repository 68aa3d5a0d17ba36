import { GeneratedImage } from '../../image/generated-image.js';
import { optionsOfRequest } from '../../options.js';
import type { Pipeline } from '../../pipeline.js';
import type { Batch } from './queued-request.js';

/**
 * Carries out requests that are alike but for their seeds as one of the pipeline. Each is told of its own images, and is complete
 * with its last one; who leaves is told nothing more, and when all have left the pipeline stops within one step.
 *
 * @returns warnings of the run that are not of a request
 * @throws what the pipeline throws, but for the end that nobody waits for any more
 */
export async function runBatch(pipeline: Pick<Pipeline, 'stream'>, batch: Batch): Promise<readonly string[]> {
  // Who left while the model was opened gets nothing drawn.
  const members = batch.filter(({ settled }) => !settled);
  const [first] = members;
  if (first === undefined) return [];
  const seats = members.flatMap((member) => member.request.seeds.map((seed, index) => ({ member, index, seed })));
  const seatOf = (image: number) => seats[image] as (typeof seats)[number];
  const abort = new AbortController();
  const leave = () => {
    const left = members.every(({ settled }) => settled) && members.some(({ state }) => state !== 'completed');
    if (left) abort.abort(new DOMException('Everybody who asked has left', 'AbortError'));
  };
  for (const member of members) member.onSettled(leave);
  const { seed: _, ...options } = optionsOfRequest(first.request, 0);
  const warnings: string[] = [];
  try {
    const seeds = seats.map(({ seed }) => seed);
    for await (const event of pipeline.stream({ ...options, seeds, signal: abort.signal })) {
      if (event.type === 'step') {
        const { member, index } = seatOf(event.image);
        member.step({ ...event, image: index });
      } else if (event.type === 'image') {
        const { member, index } = seatOf(event.index);
        member.image(index, servedImage(event.image, member.api));
      } else {
        const fallbacks = event.warnings.filter(({ code }) => code === 'BACKEND_FALLBACK');
        warnings.push(...fallbacks.map(({ message }) => message));
      }
    }
  } catch (error) {
    // A crash is told, though nobody waits any more.
    if (error !== abort.signal.reason) throw error;
  }
  return warnings;
}

/** The image with a receipt that says how it was asked for. */
function servedImage({ rgb, receipt }: GeneratedImage, api: string): GeneratedImage {
  return new GeneratedImage(rgb, { ...receipt, served: api });
}
