import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { peakMemory } from '../../../src/bench/memory.js';
import { noLinux, skipFor } from '../../support/skip-for.js';

describe('peak memory', () => {
  it('counts children and theirs, and what they gave back', skipFor(noLinux), async () => {
    const before = peakMemory().children as number;
    // A child that does nothing but wait for its own, which takes 150 MB and lets go of it.
    const hungry = `Buffer.alloc(150e6, 1); setTimeout(() => { global.gc?.(); console.log('fed'); setInterval(() => {}, 1000); }, 1);`;
    const program = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(hungry)}], { stdio: 'inherit' });`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    try {
      await once(child.stdout, 'data');
      expect((peakMemory().children as number) - before).toBeGreaterThan(150e6);
    } finally {
      process.kill(-(child.pid as number), 'SIGKILL');
      await once(child, 'close');
    }
    expect(peakMemory().children as number).toBeLessThan(before + 150e6);
  });

  it('of this process is at least what it holds now', () => {
    expect(peakMemory().process).toBeGreaterThanOrEqual(process.memoryUsage().rss * 0.9);
  });
});
