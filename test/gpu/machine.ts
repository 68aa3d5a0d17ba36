import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMachine, type Machine } from '../../src/backends/tensorrt/machine.js';

/** The GPU, its addon and its TensorRT; null, after a warning, where there is none. */
export async function findGpuMachine(): Promise<Machine | null> {
  const machine = await findMachine({});
  if (!('reason' in machine)) return machine;
  console.warn(`skipped, not measured on hardware: ${machine.reason}. ${machine.hint}`);
  return null;
}

/** An engine cache of its own for this process, so that engines are built here and now. */
export function useFreshCache(): { cleanUp(): void } {
  const cache = mkdtempSync(join(tmpdir(), 't2i-gpu-engines-'));
  process.env.T2I_ENGINE_CACHE = cache;
  return { cleanUp: () => rmSync(cache, { recursive: true }) };
}
