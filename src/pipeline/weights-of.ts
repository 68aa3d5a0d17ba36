import { BACKENDS, backendNames } from '../backends/select.js';
import type { ModelWeights } from '../model/description.js';

/** What the option `backend` may name. */
export const BACKEND_NAMES = backendNames();

/** Which of a model's files the backend of that name runs, as `describeModel` takes it. */
export function weightsOf(name: string | undefined): ModelWeights | undefined {
  return BACKENDS.find((backend) => backend.name === name)?.weights;
}
