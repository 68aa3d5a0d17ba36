/** Entry of the process whose first image is measured, and its memory: nothing was loaded or drawn in it before. */
import { serve } from '../../backends/process/serve.js';
import { peakMemory } from '../memory.js';
import type { FirstImageService } from './first-image.js';

await serve<FirstImageService>(async () => {
  const { Pipeline } = await import('../../pipeline.js');
  return {
    async firstImage({ load, request }, { signal }) {
      const start = performance.now();
      await using pipeline = await Pipeline.load({ ...load, signal });
      const loadMs = performance.now() - start;
      await pipeline.generate({ ...request, signal });
      return { loadMs, memory: peakMemory() };
    },
  };
});
