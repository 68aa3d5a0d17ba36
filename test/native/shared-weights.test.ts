import { describe, expect, it } from 'vitest';
import type { NativeSession } from '../../src/backends/tensorrt/native.js';
import { noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';
import { addon, LIBRARY, openTiny, sessionOptions, tinyJob } from './tiny-native.mjs';

const count = (name: string) => addon.sim.counterOf(LIBRARY, name);
const pixels = async (session: NativeSession) =>
  (await session.generate(tinyJob(), null, null)).images.map(({ rgb }) => Buffer.from(rgb).toString('base64'));

describe('native sessions of one model', skipFor(noBuild('sim')), () => {
  it('share the weights of their engines until the last is closed', async () => {
    // Engines are built before anything is counted.
    await sessionOptions();
    const before = count('fake_deserialisations');
    const first = await openTiny();
    const expected = await pixels(first);
    const bytes = count('fake_engine_bytes');
    expect(bytes).toBeGreaterThan(0);
    const others = await Promise.all([openTiny(), openTiny()]);
    expect([count('fake_deserialisations') - before, count('fake_engine_bytes')]).toEqual([3, bytes]);
    await first.close();
    for (const other of others) expect(await pixels(other)).toEqual(expected);
    await Promise.all(others.map((other) => other.close()));
    expect(count('fake_engine_bytes')).toBe(0);
  });
});
