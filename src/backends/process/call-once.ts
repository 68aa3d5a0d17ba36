import { type ProcessKind, RuntimeProcess } from './runtime-process.js';

/** How long an aborted call may take to end by itself. */
const ABORT_TIME = 5_000;

/**
 * One call of a child process of its own, which is gone when this settles.
 *
 * @throws what `call` throws; the signal's reason when aborted, once the child is gone
 */
export async function callOnce<T>(
  kind: ProcessKind,
  signal: AbortSignal,
  call: (child: RuntimeProcess) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const child = new RuntimeProcess(kind);
  let deadline: NodeJS.Timeout | undefined;
  const abort = () => {
    child.abort();
    deadline = setTimeout(() => void child.stop(), ABORT_TIME);
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    await child.ready();
    signal.throwIfAborted();
    return await call(child);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
    clearTimeout(deadline);
    await child.stop();
  }
}
