import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { RequestQueue } from '../../../src/pipeline/request-queue.js';

const never = () => new AbortController().signal;

/** Requests whose preparation and run end when the test says so. */
class Scene {
  readonly log: string[] = [];
  readonly #gates = new Map<string, () => void>();

  constructor(private readonly queue: RequestQueue) {}

  request(name: string, signal: AbortSignal = never()): Promise<string> {
    return this.queue.run(
      signal,
      () => this.#stage(`prepare ${name}`),
      () => this.#stage(`run ${name}`),
    );
  }

  /** Ends a stage that has begun, and lets follow what follows. */
  async end(stage: string): Promise<void> {
    await setImmediate();
    const gate = this.#gates.get(stage);
    if (!gate) throw new Error(`${stage} has not begun: ${this.log}`);
    gate();
    await setImmediate();
  }

  #stage(stage: string): Promise<string> {
    this.log.push(stage);
    return new Promise((resolve) => this.#gates.set(stage, () => resolve(stage)));
  }
}

describe('the queue of requests', () => {
  it('prepares one request while another runs, and the rest not before their turn', async () => {
    const scene = new Scene(new RequestQueue(10));
    const results = ['a', 'b', 'c'].map((name) => scene.request(name));
    await setImmediate();
    expect(scene.log).toEqual(['prepare a']);
    await scene.end('prepare a');
    expect(scene.log).toEqual(['prepare a', 'run a', 'prepare b']);
    await scene.end('prepare b');
    expect(scene.log).toHaveLength(3);
    await scene.end('run a');
    expect(scene.log.slice(3)).toEqual(['run b', 'prepare c']);
    await scene.end('prepare c');
    await scene.end('run b');
    await scene.end('run c');
    expect(await Promise.all(results)).toEqual(['run a', 'run b', 'run c']);
  });

  it('refuses one request more than may wait, at once, and takes it later', async () => {
    const scene = new Scene(new RequestQueue(2));
    const results = ['a', 'b', 'c'].map((name) => scene.request(name));
    await expect(scene.request('d')).rejects.toMatchObject({
      code: 'QUEUE_FULL',
      message: '2 requests wait already, the most that maxQueue allows',
    });
    await scene.end('prepare a');
    await scene.end('run a');
    const later = scene.request('e');
    for (const name of ['b', 'c', 'e']) {
      await scene.end(`prepare ${name}`);
      await scene.end(`run ${name}`);
    }
    expect(await Promise.all([...results, later])).toEqual(['run a', 'run b', 'run c', 'run e']);
  });

  it('lets a request leave while it waits, with the reason of its signal, and the others go on', async () => {
    const scene = new Scene(new RequestQueue(2));
    const first = scene.request('a');
    const controllers = [new AbortController(), new AbortController()];
    const [prepared, waiting] = controllers.map(({ signal }, i) => scene.request(`given up ${i}`, signal));
    await scene.end('prepare a');
    await scene.end('prepare given up 0');
    controllers[1]?.abort('enough');
    await expect(waiting).rejects.toBe('enough');
    controllers[0]?.abort('too late');
    await expect(prepared).rejects.toBe('too late');
    const last = scene.request('b');
    await scene.end('prepare b');
    await scene.end('run a');
    await scene.end('run b');
    expect(await Promise.all([first, last])).toEqual(['run a', 'run b']);
    expect(scene.log).not.toContain('prepare given up 1');
  });

  it('goes on after a preparation or a run that fails', async () => {
    const queue = new RequestQueue(1);
    const fail = () => Promise.reject(new Error('failed'));
    await expect(queue.run(never(), fail, async () => 1)).rejects.toThrow('failed');
    await expect(queue.run(never(), async () => 1, fail)).rejects.toThrow('failed');
    expect(
      await queue.run(
        never(),
        async () => 1,
        async (job) => job + 1,
      ),
    ).toBe(2);
  });
});
