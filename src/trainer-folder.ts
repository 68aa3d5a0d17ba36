import { fileURLToPath } from 'node:url';

/** Folder of the trainer, which ships; src/ and dist/ lie side by side, so both find it. */
export const TRAINER = fileURLToPath(new URL('../trainer/', import.meta.url));
