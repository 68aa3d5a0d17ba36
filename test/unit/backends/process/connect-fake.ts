import { forkModule } from '../../../../src/backends/process/channel.js';
import type { ProcessKind } from '../../../../src/backends/process/runtime-process.js';
import { forkFake } from './fake-child.js';

/** What a {@link ProcessKind} connects with whose children are fakes. */
export const connectFake: NonNullable<ProcessKind<unknown>['connect']> = (start, onReply) =>
  forkModule(start, onReply, forkFake as never);
