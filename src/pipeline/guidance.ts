import type { Request } from '../options.js';

/** Whether a request asks for classifier-free guidance, which doubles the work of a step: it has no effect at 1 and is off below. */
export function usesGuidance({ guidanceScale }: Pick<Request, 'guidanceScale'>): boolean {
  return guidanceScale > 1;
}
