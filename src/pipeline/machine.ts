import { cpus, totalmem } from 'node:os';
import { packageVersion } from './package-version.js';

/** What runs here, for reports. */
export interface Machine {
  /** Name and version of this package. */
  readonly t2i: string;
  readonly node: string;
  readonly platform: string;
  /** Model of the processor and number of its cores. */
  readonly cpu: string;
  readonly memoryBytes: number;
}

export function describeMachine(): Machine {
  return {
    t2i: packageVersion(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
    memoryBytes: totalmem(),
  };
}
