import { type Issue, T2IError } from '../../errors.js';
import { refuse } from '../../fields.js';
import { createWorkerWith } from '../../server/worker.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { note, printJson } from '../output.js';
import { readModel } from '../read-model.js';
import { readServedModelFlags } from '../serve/model-flags.js';
import { readRedisFlags } from '../serve/redis-flags.js';
import { DRAIN, untilEnded } from '../serve/until-ended.js';

/** The handler of `t2i worker`. The first signal lets it finish what it has, or give it back; a second one ends it at once. */
export async function runWorker(input: CommandInput, io: Io): Promise<number> {
  const issues: Issue[] = [];
  const options = readServedModelFlags(input.flags, issues);
  refuse(issues);
  const redis = await readRedisFlags(input.flags, io.env);
  if (redis === undefined) {
    throw new T2IError('OPTION_INVALID', '--redis: expected the address of a Redis, received nothing', {
      issues: [{ option: '--redis', expected: 'the address of a Redis', received: 'nothing' }],
      hint: 'Name it with --redis or --redis-file, or set T2I_REDIS_URL.',
    });
  }
  const log = { write: (line: string) => void io.stderr.write(line) };
  await using worker = await createWorkerWith(
    (name, weights) => readModel(name, io, weights),
    { ...options, log, redis },
    io.signal,
  );
  const { models } = worker;
  if (input.flags.json === true) printJson(io, { models });
  else io.stdout.write(`${models.join('\n')}\n`);
  note(io, 'waits for orders; Ctrl-C finishes what is here and ends, twice ends at once');
  const broken = await untilEnded(worker.broken, io);
  if (broken !== null) throw broken;
  note(io, `finishing what is here, for ${DRAIN / 1000} s at most`);
  const done = await worker.drain(DRAIN);
  if (!done) note(io, 'what was not done is given back, for others to draw');
  return EXIT.ok;
}
