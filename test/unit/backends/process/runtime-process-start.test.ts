import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RuntimeProcess } from '../../../../src/backends/process/runtime-process.js';
import { type FakeChild, lastChild, nextChildrenServe } from './fake-child.js';
import { TOY_KIND as KIND, type ToyService } from './toy-kind.js';

let crashes: number;
let child: FakeChild;
let runtime: RuntimeProcess<ToyService>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  nextChildrenServe(null);
  crashes = 0;
  runtime = new RuntimeProcess(KIND, () => crashes++);
  child = lastChild();
});
afterEach(() => void vi.useRealTimers());

describe('the start of a child', () => {
  it('tells it its caller and the variables of both, and none of the caller’s flags', () => {
    expect(child.started).toMatchObject({ entry: KIND.entry, argv: [String(process.pid)], serialization: 'advanced' });
    expect(child.started.env).toEqual({ ...process.env, TOY: '1' });
    expect(child.started.execArgv).toEqual(['--expose-gc']);
    // Its words are quoted, and the caller's own output is not disturbed.
    expect(child.started).toMatchObject({ stdio: ['ignore', 'ignore', 'pipe', 'ipc'], cwd: undefined });
  });

  it('is in the folder of its module where the caller’s was deleted', () => {
    vi.spyOn(process, 'cwd').mockImplementation(() => {
      throw new Error('ENOENT: uv_cwd');
    });
    runtime = new RuntimeProcess(KIND);
    vi.restoreAllMocks();
    expect(lastChild().started).toMatchObject({ cwd: '/x' });
  });

  it('is over once the runtime is loaded', async () => {
    const ready = runtime.ready();
    child.say({ type: 'ready' });
    expect(await ready).toBeUndefined();
    expect(child.sent).toEqual([]);
  });

  it('says why the runtime cannot be loaded, and what helps', async () => {
    const ready = runtime.ready();
    child.say({ type: 'unavailable', reason: 'no such library' });
    await expect(ready).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: 'toy cannot be loaded: no such library',
      hint: 'Get a toy.',
    });
  });

  it('says so where the process ends before, with what it wrote', async () => {
    const ready = runtime.ready();
    child.stderr.end('no module');
    await setImmediate();
    child.exit(1);
    await expect(ready).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(
        /^The process of toy did not start: .*\(exit code 1\); its last words: no module$/,
      ),
      hint: 'Get a toy.',
    });
    expect(crashes).toBe(1);
  });

  it('says so where there is no process at all, and can be stopped', async () => {
    const ready = runtime.ready();
    child.pid = undefined;
    child.emit('error', new Error('spawn EAGAIN'));
    await expect(ready).rejects.toMatchObject({ message: expect.stringMatching(/did not start: .*spawn EAGAIN/) });
    await runtime.stop();
    expect(runtime.ended).toBe(true);
  });
});
