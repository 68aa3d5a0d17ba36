/**
 * Entry of the process that runs the model. onnxruntime's `run` blocks its event loop for the whole forward, a worker thread
 * that is terminated within it aborts the process, and some model files crash it: so it gets a process of its own.
 */
import { T2IError } from '../../errors.js';
import type { StepEvent } from '../backend.js';
import type { Reply, Request } from './messages.js';
import { ModelRunner } from './model-runner.js';
import type { Runtime } from './port.js';

/** Resolves when the reply has left this process. */
function send(reply: Reply): Promise<void> {
  return new Promise((resolve) => process.send?.(reply, () => resolve()));
}

async function importRuntime(): Promise<Runtime | null> {
  try {
    return (await import('onnxruntime-node')).default as Runtime;
  } catch (error) {
    await send({ type: 'unavailable', reason: error instanceof Error ? error.message : String(error) });
    return null;
  }
}

function failure(error: unknown): Reply {
  if (T2IError.is(error)) return { type: 'failed', code: error.code, message: error.message, hint: error.hint };
  return { type: 'failed', code: 'INTERNAL', message: String((error as Error)?.stack ?? error), hint: undefined };
}

function serve(runtime: Runtime): void {
  let runner: ModelRunner;
  let controller = new AbortController();

  const load = async ({ model, threads }: Extract<Request, { type: 'load' }>): Promise<Reply> => {
    runner = await ModelRunner.load(runtime, model, threads, (path) => send({ type: 'opening', path }));
    return { type: 'done', result: null };
  };
  const run = async ({ job, watched }: Extract<Request, { type: 'run' }>): Promise<Reply> => {
    controller = new AbortController();
    const { signal } = controller;
    try {
      const onStep = watched ? (event: StepEvent) => void send({ type: 'step', event }) : null;
      return { type: 'done', result: await runner.run(job, onStep, signal) };
    } catch (error) {
      if (signal.aborted && error === signal.reason) return { type: 'aborted' };
      throw error;
    }
  };
  process.on('message', (request: Request) => {
    if (request.type === 'abort') controller.abort();
    else (request.type === 'load' ? load(request) : run(request)).catch(failure).then(send);
  });
}

// The parent is gone: nobody waits for what is still being computed.
process.on('disconnect', () => process.exit());
// Ctrl-C reaches every process of the terminal; whether it ends the job is the parent's decision.
process.on('SIGINT', () => {});

const runtime = await importRuntime();
if (runtime === null) process.disconnect();
else {
  serve(runtime);
  await send({ type: 'ready' });
}
