import { afterEach, beforeEach, vi } from 'vitest';
import * as channel from '../../src/backends/process/channel.js';
import * as serving from '../../src/backends/process/serve.js';
import { FakeChild } from '../unit/backends/process/fake-child.js';

// The child processes of TensorRT as parts of the test's own process: their modules run, over the messages that they get and send.

type Start = Parameters<typeof serving.serve>[0];

/** By the name of its file, what a child's module serves. */
const modules = new Map<string, Promise<Start>>();

/** What a module gives to `serve`, which is not called; it runs once in a process. */
async function startOf(name: string): Promise<Start> {
  let start: Start | undefined;
  const serve = vi.spyOn(serving, 'serve').mockImplementation(async (given) => {
    start = given as Start;
  });
  if (name === 'child.js') await import('../../src/backends/tensorrt/child.js');
  else if (name === 'engine-child.js') await import('../../src/backends/tensorrt/engines/engine-child.js');
  serve.mockRestore();
  if (start === undefined) throw new Error(`${name} serves nothing here`);
  return start;
}

/** Children that were started in this test, in order. */
export const started: FakeChild[] = [];

/** For every test of the file. */
export function childrenHere(): void {
  beforeEach(() => {
    started.length = 0;
    const { forkModule } = channel;
    vi.spyOn(channel, 'forkModule').mockImplementation((start, onReply) => forkModule(start, onReply, fork as never));
  });
  afterEach(() => void vi.restoreAllMocks());
}

function fork(entry: string, argv: string[], options: object): FakeChild {
  const child = new FakeChild({ entry, argv, ...options });
  started.push(child);
  const name = entry.slice(entry.lastIndexOf('/') + 1);
  const start = modules.get(name) ?? startOf(name);
  modules.set(name, start);
  void start.then((serve) => serving.serveOn(child.inside, serve));
  return child;
}
