import { BACKENDS } from '../../backends/select.js';
import type { ModelDescription } from '../../model/description.js';
import { limitsOf } from '../../pipeline/limits.js';
import type { RunLimits } from './tasks.js';

/** What the runs of a model are checked against. */
export function runLimitsOf(model: ModelDescription): RunLimits {
  return { ...limitsOf(model), backends: ['auto', ...BACKENDS.map(({ name }) => name)] };
}
