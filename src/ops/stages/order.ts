import { refuse } from '../../fields.js';
import type { Stage } from './stage.js';

/**
 * Stages so that each comes after those that make what it reads; otherwise in the order they are written in.
 *
 * @throws T2IError OPTION_INVALID for stages that wait for each other
 */
export function inOrder(stages: readonly Stage[]): Stage[] {
  const ordered: Stage[] = [];
  let rest = stages;
  while (rest.length > 0) {
    const next = rest.find((stage) => !rest.some((other) => other !== stage && makesFor(other, stage)));
    if (next === undefined) {
      const names = rest.map(({ name }) => name).join(', ');
      const expected = 'stages none of which waits for itself';
      refuse([{ option: 'dvc.yaml: stages', expected, received: `a circle of ${names}` }]);
      break;
    }
    ordered.push(next);
    rest = rest.filter((stage) => stage !== next);
  }
  return ordered;
}

/** Whether one stage makes what another reads, or a part of it. */
export function makesFor({ outputs }: Stage, { inputs }: Stage): boolean {
  return outputs.some((made) => inputs.some((read) => isWithin(made, read) || isWithin(read, made)));
}

const isWithin = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);
