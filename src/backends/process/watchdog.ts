/**
 * A thread of a child that ends the child when the caller's process is gone, also while the child's main thread is in a native call
 * that takes minutes and hears of nothing.
 */
import { workerData } from 'node:worker_threads';

const INTERVAL = 250;
const caller = workerData as number;

/** On POSIX an orphan gets another parent; on Windows it keeps the number of the one that is gone. */
function callerIsGone(): boolean {
  if (process.ppid !== caller) return true;
  try {
    process.kill(caller, 0);
    return false;
  } catch {
    return true;
  }
}

setInterval(() => {
  if (callerIsGone()) process.kill(process.pid, 'SIGKILL');
}, INTERVAL);
