/** A child whose one method holds its main thread for a minute, as a long native call does. */
import { serve } from '../../dist/backends/process/serve.js';

await serve(async () => ({
  async block(_value, { emit, opening }) {
    emit('blocking');
    // Resolves when it has left this process, and the event with it: then the thread may be held.
    await opening('nothing');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
  },
}));
