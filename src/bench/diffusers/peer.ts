import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { T2IError } from '../../errors.js';
import { TRAINER } from '../../trainer-folder.js';

/** How much of what Python last wrote to stderr an error message quotes. */
const QUOTED_STDERR = 1000;

export type TorchDevice = 'cpu' | 'cuda';

/** What runs in the peer, as it says itself. */
export interface PeerVersions {
  readonly torch: string;
  readonly diffusers: string;
  /** Processor or GPU. */
  readonly device: string;
  /** Of the weights, for example `float32`. */
  readonly dtype: string;
}

export interface PeerRequest {
  /** `eager` as written, `compile` through torch.compile. */
  readonly mode: 'eager' | 'compile';
  readonly prompt: string;
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
  readonly latentHeight: number;
  readonly latentWidth: number;
}

export interface PeerReply {
  /** Milliseconds of the whole image. */
  readonly ms: number;
  /** Milliseconds of the UNet's forwards; on a GPU from the start of the first to the end of the last. */
  readonly unetMs: number;
  /** 8-bit RGB in base64. */
  readonly rgb: string;
}

export interface PeerOptions {
  /** Interpreter with torch and diffusers. */
  readonly python: string;
  /** Model directory. */
  readonly model: string;
  readonly device: TorchDevice;
  readonly threads: number;
}

/** diffusers in a Python process: one JSON line in, one out. */
export class DiffusersPeer {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #failed: Promise<never>;
  #stderr = '';

  private constructor({ python, model, device, threads }: PeerOptions) {
    const args = ['-W', 'ignore', `${TRAINER}diffusers_peer.py`, model, '--device', device];
    this.#child = spawn(python, [...args, '--threads', String(threads)], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-QUOTED_STDERR);
    });
    // Whoever writes to a process that has ended learns of it from the line that never comes.
    this.#child.stdin?.on('error', () => {});
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
    this.#failed = new Promise((_, reject) => this.#child.once('error', (error) => reject(unavailable(error.message))));
    this.#failed.catch(() => {});
  }

  /**
   * Starts Python and loads the model there.
   *
   * @throws T2IError BACKEND_UNAVAILABLE; the signal's reason
   */
  static async start(
    options: PeerOptions,
    signal: AbortSignal,
  ): Promise<{ peer: DiffusersPeer; versions: PeerVersions }> {
    const peer = new DiffusersPeer(options);
    try {
      return { peer, versions: (await peer.#next(signal)) as PeerVersions };
    } catch (error) {
      await peer.close();
      throw error;
    }
  }

  /** @throws T2IError BACKEND_UNAVAILABLE where Python cannot go on; the signal's reason, after which the peer is of no more use */
  async draw(request: PeerRequest, signal: AbortSignal): Promise<PeerReply> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    return (await this.#next(signal)) as PeerReply;
  }

  /** Ends Python at once and resolves when it is gone. */
  async close(): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }

  async #next(signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted();
    let onAbort = () => {};
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      const { value, done } = await Promise.race([this.#lines.next(), this.#failed, aborted]);
      if (done) throw unavailable(`Python ended before it answered; its last words: ${this.#stderr.trim()}`);
      const reply = JSON.parse(value) as { error?: string };
      if (reply.error !== undefined) throw unavailable(reply.error);
      return reply;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}

function unavailable(reason: string): T2IError {
  return new T2IError('BACKEND_UNAVAILABLE', `diffusers cannot draw this: ${reason}`, {
    hint: '--python names another interpreter; without --against the SDK alone is measured.',
  });
}
