import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EXIT } from '../../../src/cli/exit-codes.js';
import type { Io } from '../../../src/cli/io.js';
import { runProcess } from '../../../src/cli/process.js';

/** In the place of the command line: what it was called with, and when it ends. */
const command = vi.hoisted(() => ({
  argv: [] as readonly string[],
  io: undefined as unknown as Io,
  run: async (_io: Io): Promise<number> => 0,
}));
vi.mock('../../../src/cli/main.js', () => ({
  main(argv: readonly string[], io: Io) {
    Object.assign(command, { argv, io });
    return command.run(io);
  },
}));

class Ended extends Error {}
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const { argv, exitCode } = process;
/** Who listened before, to what: these hear nothing of what the tests emit. */
let before: (readonly [NodeJS.EventEmitter, string, readonly unknown[]])[];
const watched = (): [NodeJS.EventEmitter, string][] => [
  ...SIGNALS.map((name): [NodeJS.EventEmitter, string] => [process, name]),
  [process.stdout, 'error'],
  [process.stderr, 'error'],
];
let told: string;
beforeEach(() => {
  before = watched().map(([emitter, name]) => [emitter, name, emitter.listeners(name)]);
  for (const [emitter, name] of before) emitter.removeAllListeners(name);
  process.argv = ['node', 't2i', 'inspect', '--json'];
  [told, command.run] = ['', async () => 0];
  vi.spyOn(process, 'exit').mockImplementation(() => {
    throw new Ended();
  });
  vi.spyOn(process, 'kill').mockReturnValue(true);
  vi.spyOn(process.stdin, 'destroy').mockReturnThis();
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    told += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  Object.assign(process, { argv, exitCode });
  for (const [emitter, name, listeners] of before) {
    emitter.removeAllListeners(name);
    for (const listener of listeners) emitter.on(name, listener as () => void);
  }
});

describe('the process of t2i', () => {
  it('runs what is on its command line, in its environment, and ends with its code', async () => {
    command.run = async () => 3;
    await runProcess();
    expect(command.argv).toEqual(['inspect', '--json']);
    expect(command.io).toMatchObject({ stdin: process.stdin, stderr: process.stderr, env: process.env });
    expect([process.exitCode, command.io.signal.aborted]).toEqual([3, false]);
  });

  it.each(SIGNALS)('ends in an orderly way at the first %s, and as the system does at the second', async (signal) => {
    command.run = async (io) => {
      process.emit(signal, signal);
      expect(io.signal.reason).toMatchObject({ name: 'Interrupted', signal });
      expect(process.stdin.destroy).toHaveBeenCalledOnce();
      expect(process.kill).not.toHaveBeenCalled();
      // By the system alone: nobody hears the second one.
      process.emit(signal, signal);
      expect(process.kill).toHaveBeenCalledExactlyOnceWith(process.pid, signal);
      expect(process.listenerCount(signal)).toBe(0);
      return 130;
    };
    await runProcess();
    expect(process.exitCode).toBe(130);
  });

  it('goes on where nobody reads its progress', async () => {
    command.run = async () => {
      process.stderr.emit('error', new Error('write EPIPE'));
      return 0;
    };
    await runProcess();
    expect(process.exitCode).toBe(0);
  });

  const failing = async (code: string) => {
    command.run = async () => {
      expect(() => process.stdout.emit('error', Object.assign(new Error(`write ${code}`), { code }))).toThrow(Ended);
      return 0;
    };
    await runProcess();
  };

  it('ends without a word, as SIGPIPE does, where the reader of its output went away', async () => {
    await failing('EPIPE');
    expect(process.exit).toHaveBeenCalledExactlyOnceWith(141);
    expect(told).toBe('');
  });

  it('fails where its output cannot be written, and says why and what helps', async () => {
    await failing('ENOSPC');
    expect(process.exit).toHaveBeenCalledExactlyOnceWith(EXIT.failure);
    expect(told).toMatch(/^error: Cannot write to standard output: write ENOSPC\nhint: .*space/);
    expect(process.stdout.write).not.toHaveBeenCalled();
  });
});
