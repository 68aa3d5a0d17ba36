import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { T2IError, T2IInternalError } from '../../errors.js';
import type { ModelDescription } from '../../model/description.js';
import type { Job, JobResult, StepEvent } from '../backend.js';
import type { Reply, Request } from './messages.js';

// Run from the sources, as the tests are, the child is still the built file: Node starts no TypeScript.
const CHILD = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../../dist/backends/onnxruntime/child.js' : './child.js',
    import.meta.url,
  ),
);

/** How much of what the child last wrote to stderr an error message quotes. */
const QUOTED_STDERR = 2000;

const INSTALL_HINT = 'Run `npm install onnxruntime-node`; `t2i doctor` shows every backend.';

type OnStep = (event: StepEvent) => void;

interface Pending {
  readonly resolve: (result: JobResult | null) => void;
  readonly reject: (error: unknown) => void;
  readonly onStep: OnStep | undefined;
}

/**
 * The child process of one session: answers one `load` or `run` at a time. It ends by `stop` or by a crash, which rejects what
 * is under way; either way it is not used again.
 */
export class RuntimeProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #pending: Pending | null = null;
  #opening: string | null = null;
  #stderr = '';
  #ended = false;

  /** Starts the process; what goes wrong there is said by the first request. */
  constructor() {
    this.#child = fork(CHILD, [], {
      serialization: 'advanced',
      // Flags of the caller's process (--inspect, loaders, a heap limit) are not for this one.
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-QUOTED_STDERR);
    });
    this.#child.on('message', (reply: Reply) => this.#receive(reply));
    this.#exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => resolve(this.#end(signal ?? `exit code ${code}`)));
      this.#child.once('error', (error) => {
        // No `close` follows where the process could not even be started.
        if (this.#child.pid === undefined) resolve(this.#end(error.message));
      });
    });
  }

  /**
   * Resolves when the runtime is imported.
   *
   * @throws T2IError BACKEND_UNAVAILABLE
   */
  async ready(): Promise<void> {
    try {
      await this.#request(null);
    } catch (error) {
      if (!T2IError.is(error) || error.code !== 'BACKEND_CRASHED') throw error;
      const message = `The process of onnxruntime did not start: ${error.message}`;
      throw new T2IError('BACKEND_UNAVAILABLE', message, { hint: INSTALL_HINT });
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** @throws T2IError MODEL_INVALID, BACKEND_UNAVAILABLE, OUT_OF_MEMORY, BACKEND_CRASHED */
  async load(model: ModelDescription, threads: number | undefined): Promise<void> {
    await this.ready();
    await this.#request({ type: 'load', model, threads });
  }

  /** @throws T2IError BACKEND_FAILED, BACKEND_CRASHED, OUT_OF_MEMORY; an AbortError once `abort` has taken effect */
  async run(job: Job, onStep: OnStep | undefined): Promise<JobResult> {
    return (await this.#request({ type: 'run', job, watched: onStep !== undefined }, onStep)) as JobResult;
  }

  /** Ends the running job after the step that it is in. */
  abort(): void {
    this.#send({ type: 'abort' });
  }

  /** Ends the process at once and resolves when it is gone; whatever is under way is rejected. */
  async stop(): Promise<void> {
    this.hold();
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Keeps the caller's process alive, as long as an answer is awaited. */
  hold(): void {
    this.#child.ref();
    this.#child.channel?.ref();
    (this.#child.stderr as Socket | null)?.ref();
  }

  /** Lets the caller's process exit; the child follows when its channel closes. */
  release(): void {
    this.#child.unref();
    this.#child.channel?.unref();
    (this.#child.stderr as Socket | null)?.unref();
  }

  #request(request: Request | null, onStep?: OnStep): Promise<JobResult | null> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject, onStep };
      if (this.#ended) this.#end('before the request');
      else if (request !== null) this.#send(request);
    });
  }

  #send(request: Request): void {
    // A failure to send means that the channel is closed: the process is ending, which `close` reports.
    if (this.#child.connected) this.#child.send(request, () => {});
  }

  #receive(reply: Reply): void {
    if (reply.type === 'opening') this.#opening = reply.path;
    else if (reply.type === 'step') this.#pending?.onStep?.(reply.event);
    else {
      const pending = this.#pending;
      this.#pending = null;
      this.#opening = null;
      if (reply.type === 'ready') pending?.resolve(null);
      else if (reply.type === 'done') pending?.resolve(reply.result);
      else if (reply.type === 'aborted') pending?.reject(new DOMException('The job was aborted', 'AbortError'));
      else pending?.reject(toError(reply));
    }
  }

  #end(how: string): void {
    this.#ended = true;
    const pending = this.#pending;
    this.#pending = null;
    pending?.reject(crash(how, this.#opening, this.#stderr.trim()));
  }
}

function toError(reply: Extract<Reply, { type: 'failed' | 'unavailable' }>): T2IError {
  if (reply.type === 'unavailable') {
    const message = `onnxruntime-node cannot be loaded: ${reply.reason}`;
    return new T2IError('BACKEND_UNAVAILABLE', message, { hint: INSTALL_HINT });
  }
  if (reply.code === 'INTERNAL') return new T2IInternalError(reply.message);
  return new T2IError(reply.code, reply.message, { hint: reply.hint });
}

/** @param opening file that the runtime was opening; null where it was not loading a model */
function crash(how: string, opening: string | null, stderr: string): T2IError {
  const quote = stderr === '' ? '' : `; its last words: ${stderr}`;
  // The kernel's and people's way to end a process says nothing about the file; every other end while it loads does.
  if (opening !== null && how !== 'SIGKILL' && how !== 'SIGTERM') {
    const message = `${opening}: onnxruntime crashed (${how}) while it loaded the file${quote}`;
    return new T2IError('MODEL_INVALID', message, { hint: 'The file is damaged or hostile; do not use it.' });
  }
  const hint =
    how === 'SIGKILL'
      ? 'Something killed it, often the kernel for want of memory; ask for a smaller picture. The next request starts afresh.'
      : 'The next request starts a fresh process; if it happens again, report it with this message.';
  return new T2IError('BACKEND_CRASHED', `The process that runs onnxruntime ended (${how})${quote}`, { hint });
}
