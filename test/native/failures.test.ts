import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NativeJob, NativeSession } from '../../src/backends/tensorrt/native.js';
import { noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';
import { addon, openTiny, tinyJob } from './tiny-native.mjs';

const FAILURES = { out_of_memory: 'OUT_OF_MEMORY', launch: 'BACKEND_FAILED', sticky: 'DEVICE_LOST' } as const;

describe('a session', skipFor(noBuild('sim')), () => {
  let session: NativeSession;
  beforeEach(async () => {
    session = await openTiny();
  });
  afterEach(async () => {
    addon.sim.failCall(0, 'none');
    await session.close();
    expect(addon.sim.live()).toBe(0);
  });

  const pixels = async (job: NativeJob, by = session) =>
    (await by.generate(job, null, null)).images.map(({ rgb }) => Buffer.from(rgb).toString('base64'));

  describe.each(Object.entries(FAILURES))('whose device fails by %s at the k-th call', (kind, code) => {
    it('rejects each time with that code, frees everything, and the next job works', async () => {
      const expected = await pixels(tinyJob());
      const attempt = async () => {
        const own = await openTiny();
        try {
          return await pixels(tinyJob(), own);
        } finally {
          await own.close();
        }
      };
      await session.close();
      addon.sim.failCall(0, 'none');
      await attempt();
      const calls = addon.sim.calls();
      expect(calls).toBeGreaterThan(20);
      for (let k = 1; k <= calls; k++) {
        addon.sim.failCall(k, kind as keyof typeof FAILURES);
        const outcome = await attempt().catch((error) => error.code);
        addon.sim.failCall(0, 'none');
        // A failure that only costs speed, or one while freeing, leaves the image whole.
        if (Array.isArray(outcome)) expect(outcome).toEqual(expected);
        else expect(outcome).toBe(code);
        expect(addon.sim.live()).toBe(0);
      }
      expect(await attempt()).toEqual(expected);
    });

    it('lets the same session run the next job', async () => {
      const expected = await pixels(tinyJob());
      addon.sim.failCall(0, 'none');
      await pixels(tinyJob());
      const calls = addon.sim.calls();
      for (let k = 1; k <= calls; k++) {
        addon.sim.failCall(k, kind as keyof typeof FAILURES);
        const outcome = await pixels(tinyJob()).catch((error) => error.code);
        addon.sim.failCall(0, 'none');
        expect([code, ...expected]).toContain(Array.isArray(outcome) ? outcome[0] : outcome);
        expect(await pixels(tinyJob())).toEqual(expected);
      }
    });
  });
});
