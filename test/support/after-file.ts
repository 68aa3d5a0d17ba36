import { afterAll } from 'vitest';
import { removeScratch } from './scratch.js';

// Vitest runs this before each file of tests. What modules that tests share tell it to do afterwards is done after the first of them alone.
afterAll(removeScratch);
