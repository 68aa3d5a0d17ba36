import { gzipSync } from 'node:zlib';
import { below, type S3Address } from '../../aws/s3-address.js';
import type { S3Store } from '../../aws/s3-store.js';
import { type Code, sha256Of } from './code.js';

/** The script of the code that the toolkit starts on each rank. */
const PROGRAM = 'trainer/sagemaker/toolkit.py';

/** Where code lies as the toolkit takes it: by the hash of what is packed, since each version of zlib packs it to other bytes. */
export function sourcesAddress(base: S3Address, { sha256 }: Code): S3Address {
  return below(base, `code/${sha256.slice(0, 32)}/sourcedir.tar.gz`);
}

export async function sendSources(
  store: S3Store,
  address: S3Address,
  { archive }: Code,
  signal: AbortSignal,
): Promise<void> {
  const packed = gzipSync(archive);
  await store.write(address, packed, sha256Of(packed), signal);
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
