import { type Command, JSON_FLAG } from '../command.js';
import { SERVED_MODEL_FLAGS } from '../serve/model-flags.js';
import { REDIS_FLAGS } from '../serve/redis-flags.js';

export const worker: Command = {
  name: 'worker',
  summary: 'Draw for servers that share their queue over a Redis, without HTTP.',
  arguments: [],
  flags: [...REDIS_FLAGS, ...SERVED_MODEL_FLAGS, JSON_FLAG],
  examples: ['t2i worker --redis redis://queue:6379 --model emoji-128'],
  async run(input, io) {
    const { runWorker } = await import('./run-worker.js');
    return runWorker(input, io);
  },
};
