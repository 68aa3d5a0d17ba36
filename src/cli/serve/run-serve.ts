import { createServerWith } from '../../server/create-server.js';
import { listen } from '../../server/listen.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { note, printJson, warn } from '../output.js';
import { readModel } from '../read-model.js';
import { readServeFlags } from './flags.js';
import { DRAIN, untilEnded } from './until-ended.js';

/** The handler of `t2i serve`. The first signal lets it finish what it has, a second one ends it at once. */
export async function runServe(input: CommandInput, io: Io): Promise<number> {
  const { server: options, listen: where } = await readServeFlags(input, io.env);
  const log = { write: (line: string) => void io.stderr.write(line) };
  await using server = await createServerWith(
    (name, weights) => readModel(name, io, weights),
    { ...options, log },
    io.signal,
  );
  const listening = await listen(server, where);
  const { url, adminUrl } = listening;
  if (input.flags.json === true) printJson(io, { url, adminUrl, models: server.models });
  else io.stdout.write(`${url}\n`);
  if (options.apiKeys === undefined && input.flags.insecure === true)
    warn(io, 'no key is asked for: everybody is let in');
  note(io, `health and metrics are at ${adminUrl}; Ctrl-C finishes what is here and ends, twice ends at once`);
  const broken = await untilEnded(server.broken, io);
  if (broken !== null) {
    await server.close();
    await listening.close();
    throw broken;
  }
  note(io, `finishing what is here, for ${DRAIN / 1000} s at most`);
  const done = await server.drain(DRAIN);
  await listening.close();
  return done ? EXIT.ok : EXIT.failure;
}
