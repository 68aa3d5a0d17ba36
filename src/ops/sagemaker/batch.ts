import type { Issue } from '../../errors.js';
import type { Params } from '../params/schema.js';
import { gpusOf } from './prices.js';

/** What of a training decides how many ranks share it. */
export type Batch = Pick<Params['training'], 'batch_size' | 'gradient_accumulation_steps'>;

export interface Machines {
  readonly type: string;
  readonly count: number;
}

/**
 * The parts of a batch: one for each rank, that is each GPU, and step of accumulation. They are equal, or the trainer refuses
 * (trainer/t2i_trainer/training/check.py), when the machines are paid for. Of a machine that is in no table one GPU is counted.
 */
function partsOf({ gradient_accumulation_steps: steps }: Batch, { type, count }: Machines): number {
  return (gpusOf(type) ?? 1) * count * steps;
}

/** What is wrong with a batch for these machines; nothing where they share it. */
export function batchIssues(batch: Batch, machines: Machines): Issue[] {
  const parts = partsOf(batch, machines);
  if (batch.batch_size % parts === 0) return [];
  const ranks = `${machines.count} x ${gpusOf(machines.type) ?? 1} GPUs and ${batch.gradient_accumulation_steps} accumulation steps`;
  const expected = `a multiple of ${parts}, for ${ranks}`;
  return [{ option: 'training.batch_size', expected, received: String(batch.batch_size) }];
}

/** What is wrong with a number of machines for a batch that stays. @param option that says how many */
export function machinesIssues(batch: Batch, machines: Machines, option: string): Issue[] {
  if (batch.batch_size % partsOf(batch, machines) === 0) return [];
  const shares = batch.batch_size / partsOf(batch, { ...machines, count: 1 });
  const counts = Array.from({ length: shares }, (_, at) => at + 1).filter((count) => shares % count === 0);
  const expected = `one of ${counts.join(', ')} machines, whose GPUs share a batch of ${batch.batch_size} evenly`;
  return [{ option, expected, received: String(machines.count) }];
}

/** The batch of a training among the hyperparameters of its job, for whoever resumes it on other machines. */
export function batchParameters(batch: Batch): Record<string, string> {
  return {
    t2i_batch_size: String(batch.batch_size),
    t2i_gradient_accumulation_steps: String(batch.gradient_accumulation_steps),
  };
}

/** What {@link batchParameters} wrote; undefined where there is nothing of it. */
export function batchOf(parameters: Readonly<Record<string, string>> = {}): Batch | undefined {
  const [batch_size, gradient_accumulation_steps] = [
    Number(parameters.t2i_batch_size),
    Number(parameters.t2i_gradient_accumulation_steps),
  ];
  return batch_size > 0 && gradient_accumulation_steps > 0 ? { batch_size, gradient_accumulation_steps } : undefined;
}
