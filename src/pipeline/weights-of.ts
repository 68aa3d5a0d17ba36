import { BACKENDS } from '../backends/select.js';
import type { ModelWeights } from '../model/description.js';

/** Which of a model's files the backend of that name runs, as `describeModel` takes it. */
export function weightsOf(name: string | undefined): ModelWeights | undefined {
  return BACKENDS.find((backend) => backend.name === name)?.weights;
}
