import type { ProcessKind } from '../../../../src/backends/process/runtime-process.js';
import type { CallContext } from '../../../../src/backends/process/service.js';
import { connectFake } from './connect-fake.js';

export interface ToyService {
  load(value: unknown): Promise<unknown>;
  run(value: unknown, context: CallContext<unknown>): Promise<unknown>;
}

/** Children that are fakes. */
export const TOY_KIND: ProcessKind<ToyService> = {
  entry: '/x/child.js',
  runtime: 'toy',
  installHint: 'Get a toy.',
  env: { TOY: '1' },
  connect: connectFake,
};
