import type { ChildProcess } from 'node:child_process';
import { T2IError } from '../../errors.js';
import { askForReport } from '../../report-address.js';
import { type Channel, type ChildStart, forkModule } from './channel.js';
import { fromFailure } from './failure.js';
import type { Reply, Request } from './messages.js';
import type { EventOf, ResultOf, ValueOf } from './service.js';

/** How much of what the child last wrote to stderr an error message quotes. */
const QUOTED_STDERR = 2000;
/** Milliseconds that the child has to end a call after it was told to; a forward cannot be interrupted. */
const ABORT_GRACE = 3000;

/** Which child to start, and how to speak of it. `S` are the methods that it offers. */
export interface ProcessKind<S> extends ChildStart {
  /** Name of the runtime in it, for messages. */
  readonly runtime: string;
  /** What helps where the runtime cannot be loaded. */
  readonly installHint: string;
  /** Starts it where it is no module of this package; it speaks the messages of messages.ts all the same. */
  readonly connect?: (start: ChildStart, onReply: (reply: Reply) => void) => Channel;
  /** For the type alone: no kind has it. */
  readonly service?: S;
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onEvent: ((event: unknown) => void) | null;
}

/**
 * A child process with a runtime in it that may block or crash: answers one call at a time. It ends by `stop` or by a crash,
 * which rejects what is under way; either way it is not used again.
 */
export class RuntimeProcess<S> {
  readonly #channel: Channel;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #pending: Pending | null = null;
  #opening: string | null = null;
  #stderr = '';
  #ended = false;
  #stopping = false;
  #deadline: NodeJS.Timeout | undefined;

  /**
   * Starts the process; what goes wrong there is said by `ready`.
   *
   * @param onCrash called when the process ends without having been stopped
   */
  constructor(
    private readonly kind: ProcessKind<S>,
    private readonly onCrash: () => void = () => {},
  ) {
    this.#channel = (kind.connect ?? forkModule)(kind, (reply) => this.#receive(reply));
    this.#child = this.#channel.child;
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-QUOTED_STDERR);
    });
    this.#exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => resolve(this.#end(signal ?? `exit code ${code}`)));
      this.#child.once('error', (error) => {
        // No `close` follows where the process could not even be started.
        if (this.#child.pid === undefined) resolve(this.#end(error.message));
      });
    });
  }

  /**
   * Resolves when the runtime is loaded; to be called once, before any call.
   *
   * @throws T2IError BACKEND_UNAVAILABLE
   */
  async ready(): Promise<void> {
    try {
      await this.#answer(null);
    } catch (error) {
      if (!T2IError.is(error) || error.code !== 'BACKEND_CRASHED') throw error;
      const message = `The process of ${this.kind.runtime} did not start: ${error.message}`;
      throw new T2IError('BACKEND_UNAVAILABLE', message, { hint: this.kind.installHint });
    }
  }

  /**
   * Has the child carry out one of its methods.
   *
   * @throws what the method threw, as T2IError; BACKEND_CRASHED; MODEL_INVALID where it crashed over a file that it named; an
   *   AbortError once `abort` has taken effect
   */
  call<Name extends keyof S & string>(
    method: Name,
    value: ValueOf<S[Name]>,
    onEvent: ((event: EventOf<S[Name]>) => void) | null = null,
  ): Promise<ResultOf<S[Name]>> {
    const request: Request = { type: 'call', method, value, watched: onEvent !== null };
    return this.#answer(request, onEvent as Pending['onEvent']) as Promise<ResultOf<S[Name]>>;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Ends the running call as soon as the child can; the whole process, where that takes longer than three seconds. */
  abort(): void {
    if (this.#pending === null) return;
    this.#channel.send({ type: 'abort' });
    this.#deadline ??= setTimeout(() => void this.stop(), ABORT_GRACE);
  }

  /** Ends the process at once and resolves when it is gone; whatever is under way is rejected. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.hold();
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /**
   * Carries out `work` with this process, and stops the process as soon as `signal` aborts.
   *
   * @throws the signal's reason when aborted; what `work` throws
   */
  async stoppedBy<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const stop = () => void this.stop();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      if (signal?.aborted) await this.stop();
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Keeps the caller's process alive, as long as an answer is awaited. */
  hold(): void {
    for (const part of this.#channel.parts) part?.ref();
  }

  /** Lets the caller's process exit; the child follows when its channel closes. */
  release(): void {
    for (const part of this.#channel.parts) part?.unref();
  }

  #answer(request: Request | null, onEvent: Pending['onEvent'] = null): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject, onEvent };
      if (this.#ended) this.#end('before the request');
      else if (request !== null) this.#channel.send(request);
    });
  }

  #receive(reply: Reply): void {
    if (reply.type === 'opening') this.#opening = reply.path;
    else if (reply.type === 'event') this.#pending?.onEvent?.(reply.event);
    else {
      const pending = this.#take();
      this.#opening = null;
      if (reply.type === 'ready') pending?.resolve(null);
      else if (reply.type === 'done') pending?.resolve(reply.result);
      else if (reply.type === 'aborted') pending?.reject(new DOMException('The job was aborted', 'AbortError'));
      else if (reply.type === 'failed') pending?.reject(fromFailure(reply));
      else pending?.reject(this.#unavailable(reply.reason));
    }
  }

  /** What is under way, which is over now. */
  #take(): Pending | null {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    const pending = this.#pending;
    this.#pending = null;
    return pending;
  }

  #end(how: string): void {
    if (!this.#ended && !this.#stopping) this.onCrash();
    this.#ended = true;
    const pending = this.#take();
    pending?.reject(crash(this.kind.runtime, how, this.#opening, this.#stderr.trim()));
  }

  #unavailable(reason: string): T2IError {
    const message = `${this.kind.runtime} cannot be loaded: ${reason}`;
    return new T2IError('BACKEND_UNAVAILABLE', message, { hint: this.kind.installHint });
  }
}

/** @param opening file that the runtime was opening; null where it was not loading a model */
function crash(runtime: string, how: string, opening: string | null, stderr: string): T2IError {
  const quote = stderr === '' ? '' : `; its last words: ${stderr}`;
  // The kernel's and people's way to end a process says nothing about the file; every other end while it loads does.
  if (opening !== null && how !== 'SIGKILL' && how !== 'SIGTERM') {
    const message = `${opening}: ${runtime} crashed (${how}) while it loaded the file${quote}`;
    return new T2IError('MODEL_INVALID', message, { hint: 'The file is damaged or hostile; do not use it.' });
  }
  const hint =
    how === 'SIGKILL'
      ? 'Something killed it, often the kernel for want of memory; ask for a smaller image. The next request starts afresh.'
      : `The next request starts a fresh process.${askForReport('this message if it comes back')}`;
  return new T2IError('BACKEND_CRASHED', `The process that runs ${runtime} ended (${how})${quote}`, { hint });
}
