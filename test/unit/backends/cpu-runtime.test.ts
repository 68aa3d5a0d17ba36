import { describe, expect, it } from 'vitest';
import { loadRuntime, runtimeVersion } from '../../../src/backends/onnxruntime/runtime.js';

describe('the CPU runtime that ships', () => {
  it('names itself with its version', () => {
    expect(runtimeVersion()).toMatch(/^onnxruntime-node \d+\.\d+\.\d+$/);
  });

  it('says so where it has no binary for the platform', () => {
    expect(() => loadRuntime({ platform: 'darwin', arch: 'x64' })).toThrow('there is no binary for darwin x64');
  });
});
