import { type ProcessKind, RuntimeProcess } from './runtime-process.js';

/**
 * One call of a child process of its own, which is gone when this settles.
 *
 * @param signal has the child end the call; see `RuntimeProcess.abort`
 * @throws what `call` throws; the signal's reason when aborted, once the child is gone
 */
export async function callOnce<S, T>(
  kind: ProcessKind<S>,
  call: (child: RuntimeProcess<S>) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  const child = new RuntimeProcess(kind);
  const abort = () => child.abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await child.ready();
    signal?.throwIfAborted();
    return await call(child);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    await child.stop();
  }
}
