import { hashModel } from '../../image/receipt.js';
import type { ServedModel } from '../models/served-model.js';

/** Hexadecimal digits of a model's hash: 64 bits tell its versions apart. */
const DIGITS = 16;

/** The queue of a model: only those draw from it who have the same files under the same id, so that two versions never mix. */
export function queueName({ id, model }: Pick<ServedModel, 'id' | 'model'>): string {
  return `${id}-${hashModel(model.hashes).slice(0, DIGITS)}`;
}
