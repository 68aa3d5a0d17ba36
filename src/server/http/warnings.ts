import { z } from 'zod';

/** What the SDK warns of, in an answer. */
export const WARNINGS = z.array(z.object({ code: z.string(), message: z.string() }));
