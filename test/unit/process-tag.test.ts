import { spawnSync } from 'node:child_process';
import { describe, expect, it, vi } from 'vitest';
import { processState, processTag } from '../../src/process-tag.js';

describe('a process', () => {
  it('is running where its parent is, though it may belong to another user', () => {
    expect(processState(processTag(process.ppid))).toBe('running');
    const denied = vi.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('not yours'), { code: 'EPERM' });
    });
    try {
      expect(processState(processTag(process.ppid))).toBe('running');
    } finally {
      denied.mockRestore();
    }
  });

  it('is gone once it has ended', () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    expect(processState(processTag(pid))).toBe('gone');
  });

  it('is gone where the id is none, which the system takes for a whole group', () => {
    expect(processState(processTag(0))).toBe('gone');
    expect(processState(processTag(-1))).toBe('gone');
    expect(processState('')).toBe('gone');
  });

  it('is unknown elsewhere, and where the id is our own', () => {
    expect(processState(`${process.ppid}-0123456789abcdef`)).toBe('unknown');
    expect(processState(processTag())).toBe('unknown');
  });
});
