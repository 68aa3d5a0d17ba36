/** A child whose one method holds its main thread for a minute, as a long native call does. */
import { serve } from '../../dist/backends/process/serve.js';

await serve(async () => ({
  async block(_value, { emit }) {
    emit('blocking');
    // The event leaves before the thread is held.
    await new Promise((resolve) => setTimeout(resolve, 50));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
  },
}));
