import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hasBf16 } from '../../../../src/backends/tensorrt/capabilities.js';
import { inspect } from '../../../../src/backends/tensorrt/inspect.js';
import { findLibrary, findMachine, orThrow } from '../../../../src/backends/tensorrt/machine.js';
import { createTensorrt } from '../../../../src/backends/tensorrt/tensorrt.js';
import { describeModel } from '../../../../src/model/layout.js';
import { fixture } from '../../../contract/tiny-jobs.js';
import { childrenHere, started } from '../../../support/children-here.js';
import { engineFolder, failure } from '../../../support/engines.js';
import { FakeTensorrt, GPU } from '../../../support/fake-tensorrt.js';
import { toyReference } from '../../../support/toy-networks.js';

childrenHere();
let fake: FakeTensorrt;
beforeEach(async () => {
  fake = new FakeTensorrt(await describeModel(fixture('tiny')));
  vi.stubEnv('T2I_ADDON', fake.path);
});
afterEach(() => void vi.unstubAllEnvs());

const none = { available: false, reason: 'no driver', hint: 'install one', devices: [] };
const other = { ...GPU, index: 1, name: 'NVIDIA A10', computeCapability: '8.6' };

describe('what TensorRT needs on this machine', () => {
  it('is looked at in a process of its own, in one folder alone where that is named', async () => {
    const { addon, devices, libraries } = await inspect('/libraries');
    expect(addon).toEqual({ path: fake.path, version: fake.loaded.addon.version });
    expect([devices, libraries]).toEqual([fake.devices, fake.libraries]);
    expect(fake.searches).toEqual([{ only: '/libraries' }]);
    expect(started.map(({ started: { entry }, connected }) => [entry.split('/').at(-1), connected])).toEqual([
      ['child.js', false],
    ]);
  });

  it('cannot be said without an addon, and no process is started', async () => {
    vi.stubEnv('T2I_ADDON', '/nowhere.node');
    const missing = { reason: expect.stringContaining('/nowhere.node'), hint: expect.stringContaining('T2I_ADDON') };
    expect(await inspect()).toEqual({ addon: missing, devices: null, libraries: missing });
    expect(await findMachine({})).toEqual(missing);
    expect(started).toEqual([]);
  });

  it('says why libraries could not be looked at', async () => {
    Object.assign(fake.loaded.addon, { libraries: () => started.at(-1)?.kill('SIGSEGV') });
    const { libraries } = await inspect();
    expect(libraries).toEqual({
      reason: expect.stringMatching(/could not be looked at: .*SIGSEGV/),
      hint: expect.any(String),
    });
    expect(await findMachine({})).toEqual(libraries);
  });
});

describe('the machine of a session', () => {
  it('is the first GPU and the best TensorRT, unless another GPU is named', async () => {
    fake.devices = { ...fake.devices, devices: [GPU, other] };
    const [library] = fake.libraries;
    expect(await findMachine({})).toEqual({ addon: fake.loaded, device: GPU, library });
    expect(await findMachine({ device: 1, tensorrtLibDir: '/there' })).toMatchObject({ device: other, library });
    expect(fake.searches[1]).toEqual({ only: '/there' });
  });

  it('has no GPU: libraries are not even looked for', async () => {
    fake.devices = { ...fake.devices, ...none };
    expect(await findMachine({})).toEqual({ reason: 'no driver', hint: 'install one' });
    expect(started).toEqual([]);
  });

  it('has no GPU of that number, but others', async () => {
    fake.devices = { ...fake.devices, devices: [GPU, other] };
    const { reason, hint } = (await findMachine({ device: 7 })) as { reason: string; hint: string };
    expect(reason).toMatch(/no GPU 7.*0 \(NVIDIA L4\), 1 \(NVIDIA A10\)/);
    expect(hint).toContain('device');
    expect(started).toEqual([]);
  });

  it('may run engines that it cannot build', async () => {
    fake.libraries = [fake.library({ kind: 'lean', canBuild: false })];
    expect(await findMachine({})).toMatchObject({ library: { kind: 'lean' } });
  });

  it('takes no TensorRT-RTX on a GPU that it has no code for', async () => {
    fake.libraries = [fake.library({ kind: 'rtx' }), fake.library({ version: '10.6.0' })];
    const h100 = { ...GPU, computeCapability: '9.0' };
    expect(await findMachine({})).toMatchObject({ library: { kind: 'rtx' } });
    fake.devices = { ...fake.devices, devices: [h100] };
    expect(await findMachine({})).toMatchObject({ library: { version: '10.6.0' } });
  });
});

describe('a TensorRT that will do', () => {
  const wanted = { mustBuild: true, device: GPU };

  it('is named with what helps where there is none at all', async () => {
    fake.libraries = [];
    expect(await findLibrary(undefined, wanted)).toEqual({
      reason: 'No TensorRT was found',
      hint: expect.stringMatching(/pip install tensorrt`.*T2I_TENSORRT_LIB_DIR/),
    });
    const rtx = await findLibrary(undefined, { ...wanted, runtime: 'tensorrt-rtx' });
    expect(rtx).toMatchObject({ hint: expect.stringContaining('tensorrt-rtx-cu13-libs') });
  });

  it('is none of those that are there: each says why, and the first that knows how says what helps', async () => {
    fake.libraries = [
      fake.library({ path: '/a', canBuild: false }),
      fake.library({ path: '/b', canBuild: false, problem: 'too old', hint: 'get a newer one' }),
    ];
    expect(await findLibrary(undefined, wanted)).toEqual({
      reason: expect.stringMatching(/^No TensorRT will do: \/a: .*build.*; \/b: too old$/),
      hint: 'get a newer one',
    });
    fake.libraries = fake.libraries.slice(0, 1);
    expect(await findLibrary(undefined, wanted)).toMatchObject({
      hint: expect.stringContaining('pip install tensorrt'),
    });
  });
});

describe('the backend tensorrt', () => {
  it('says what it would run on', async () => {
    const { probe } = createTensorrt(toyReference);
    expect(await probe()).toEqual({ available: true, detail: 'tensorrt 10.15.1 on NVIDIA L4' });
    fake.devices = { ...fake.devices, ...none };
    expect(await probe({})).toEqual({ available: false, reason: 'no driver', hint: 'install one' });
  });

  it('that is missing something opens nothing, and says what helps', async () => {
    fake.devices = { ...fake.devices, ...none };
    const error = await failure(createTensorrt(toyReference).open(fake.model));
    expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', hint: 'install one' });
    expect(error.message).toMatch(/tensorrt cannot run here: no driver/);
  });

  it('takes for a lack only what has a reason and a hint', () => {
    const found = { reason: 'of a kind' };
    expect(orThrow(found)).toBe(found);
  });

  it('computes in bf16 from Ampere on', () => {
    const capabilities = ['7.5', '8.0', '8.9', '12.0'].map((computeCapability) =>
      hasBf16({ ...GPU, computeCapability }),
    );
    expect(capabilities).toEqual([false, true, true, true]);
  });
});

describe('libraries in Python environments', () => {
  it('are searched where nobody names a folder', async () => {
    const folder = join(engineFolder(), 'lib/python3.12/site-packages/tensorrt_libs');
    mkdirSync(folder, { recursive: true });
    vi.stubEnv('T2I_TENSORRT_LIB_DIR', '');
    vi.stubEnv('VIRTUAL_ENV', join(folder, '../../../..'));
    await findMachine({});
    expect((fake.searches[0] as { more: string[] }).more).toContain(folder);
  });
});
