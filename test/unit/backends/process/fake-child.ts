import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import type { Reply, Request } from '../../../../src/backends/process/messages.js';
import { type Host, serveOn } from '../../../../src/backends/process/serve.js';
import type { CallContext } from '../../../../src/backends/process/service.js';

/** What a child serves in a test. */
export type Methods = Readonly<Record<string, (value: never, context: CallContext<unknown>) => Promise<unknown>>>;

/** Children that were started in the place of real ones, in order. */
export const children: FakeChild[] = [];

/** What the next children serve; those that serve nothing say nothing, but what the test has them say. */
let service: Methods | null = null;

export function nextChildrenServe(next: Methods | null): void {
  service = next;
}

/** In the place of Node's `fork`. */
export function forkFake(entry: string, argv: string[], options: object): FakeChild {
  const child = new FakeChild({ entry, argv, ...options });
  children.push(child);
  if (service !== null) child.serve(service);
  return child;
}

/** The child that was started last. */
export function lastChild(): FakeChild {
  return children.at(-1) as FakeChild;
}

/** A child process that lives in the test: what `fork` returns, and the process at the other end where it serves something. */
export class FakeChild extends EventEmitter {
  static #pids = 1000;

  pid: number | undefined = ++FakeChild.#pids;
  connected = true;
  /** Which of its parts keep the caller's process alive. */
  readonly held = new Set(['child', 'channel', 'stderr']);
  readonly sent: Request[] = [];
  readonly kills: string[] = [];
  /** Null once it is closed, as Node has it. */
  channel: ReturnType<FakeChild['part']> | null = this.part('channel');
  readonly stderr = Object.assign(new PassThrough(), this.part('stderr'));
  readonly ref = this.part('child').ref;
  readonly unref = this.part('child').unref;
  /** The process as the code in it sees it. */
  readonly inside: Host & EventEmitter = Object.assign(new EventEmitter(), {
    send: (reply: Reply, done: (error: null) => void) => {
      queueMicrotask(() => {
        if (this.connected) this.emit('message', structuredClone(reply));
        done(null);
      });
      return true;
    },
    disconnect: () => this.exit(0),
    exit: (code: number) => this.exit(code) as never,
  }) as never;

  constructor(readonly started: { entry: string; argv: string[]; execArgv?: string[]; env?: NodeJS.ProcessEnv }) {
    super();
  }

  serve(methods: Methods): void {
    void serveOn(this.inside, async () => methods);
  }

  send(request: Request, done: (error: Error | null) => void): void {
    this.sent.push(request);
    queueMicrotask(() => {
      if (this.connected) this.inside.emit('message', structuredClone(request));
      done(null);
    });
  }

  /** Has the child say something of its own accord. */
  say(...replies: Reply[]): void {
    for (const reply of replies) this.emit('message', reply);
  }

  kill(signal: string): boolean {
    if (!this.connected) return false;
    this.kills.push(signal);
    this.exit(null, signal);
    return true;
  }

  /** Ends the process, as a crash does, where it has not ended yet. */
  exit(code: number | null, signal: string | null = null): void {
    if (!this.connected) return;
    this.connected = false;
    queueMicrotask(() => this.emit('close', code, signal));
  }

  private part(name: string) {
    return { ref: () => void this.held.add(name), unref: () => void this.held.delete(name) };
  }
}
