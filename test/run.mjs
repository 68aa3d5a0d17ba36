// `npm test`: sets up what the tests need, runs every check, and says at the end what ran, what was skipped and why.
// With T2I_REQUIRE_ALL=1 a step that is skipped because a tool is missing counts as failed. No dependencies.
import { main } from './run/main.mjs';
import { makeSteps } from './run/steps.mjs';

await main(makeSteps);
