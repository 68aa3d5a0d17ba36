import { gzipSync } from 'node:zlib';
import { type Code, sha256Of } from './code.js';

/** Code as AWS's training toolkit takes it. */
export interface Sources {
  readonly archive: Buffer;
  readonly sha256: string;
}

/** The script of the code that the toolkit starts on each rank. */
const PROGRAM = 'trainer/sagemaker/toolkit.py';

export async function packSources({ archive }: Code): Promise<Sources> {
  const packed = gzipSync(archive);
  // The system that packs it, which would change the hash.
  packed[9] = 255;
  return { archive: packed, sha256: sha256Of(packed) };
}

/**
 * Hyperparameters that the toolkit reads (github.com/aws/sagemaker-training-toolkit): values are JSON. It starts torchrun itself, one
 * rank a GPU, over all hosts.
 */
export function toolkitParameters(sources: string, instanceType: string, region: string): Record<string, string> {
  const values = {
    sagemaker_program: PROGRAM,
    sagemaker_submit_directory: sources,
    sagemaker_container_log_level: 20,
    sagemaker_region: region,
    sagemaker_torch_distributed_enabled: true,
    sagemaker_instance_type: instanceType,
  };
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, JSON.stringify(value)]));
}
