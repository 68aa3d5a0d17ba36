import type { Issue } from '../../errors.js';
import { describeValue } from '../../fields.js';
import type { ModelSource, ServerOptions } from '../../server/options.js';
import { type CommandInput, type Flag, longName } from '../command.js';
import { LOAD_FLAGS, readLoadFlags } from '../load-flags.js';
import { parseBytes, parseDuration } from '../quantities.js';

/** Flags of whatever draws for clients: which models, and how. */
export const SERVED_MODEL_FLAGS: readonly Flag[] = [
  {
    flags: '--model <name...>',
    description:
      'models that clients may name, as DIR, a name, OWNER/NAME of the Hub, or ID=one of these; the first is the default',
    sets: ['models'],
  },
  {
    flags: '--batch-window <time>',
    description: 'how long an idle server waits for requests like the first, for example 5ms; 0 for not (default: 5ms)',
    sets: ['batchWindow'],
  },
  {
    flags: '--memory <bytes>',
    description: 'for all open models, for example 8GiB; the least recently used is closed (default: no limit)',
    sets: ['memory'],
  },
  ...LOAD_FLAGS.filter((flag) => longName(flag) !== '--model').map((flag) => ({
    ...flag,
    sets: flag.sets?.map((name) => `load.${name}`) ?? [],
  })),
];

/** What a time may look like, in messages. */
export const TIMES = 'a time such as 5ms, 90s or 1h';

/** Adds what is wrong to `issues`. */
export function readServedModelFlags(flags: CommandInput['flags'], issues: Issue[]) {
  const read = flagReader(flags, issues);
  const { model: _, ...load } = readLoadFlags(flags);
  return {
    models: listOf(flags.model)?.map(modelSource),
    load,
    preload: true,
    memory: read('--memory', 'memory', parseBytes, 'a number of bytes such as 8GiB'),
    batchWindow: read('--batch-window', 'batchWindow', parseDuration, TIMES),
  } satisfies ServerOptions;
}

/** Reads values of flags; null is what `parse` returns for one that it does not understand, which is added to `issues`. */
export function flagReader(flags: CommandInput['flags'], issues: Issue[]) {
  return <T>(name: string, key: string, parse: (value: unknown) => T | null, expected: string): T | undefined => {
    const value = flags[key];
    if (value === undefined) return undefined;
    const parsed = parse(value);
    if (parsed === null) issues.push({ option: name, expected, received: describeValue(value) });
    return parsed ?? undefined;
  };
}

/** A flag that may be given several times. */
export function listOf(value: CommandInput['flags'][string]): string[] | undefined {
  return Array.isArray(value) ? [...value] : undefined;
}

function modelSource(text: string): ModelSource {
  const [, id, model] = /^([\w.-]+)=(.+)$/.exec(text) ?? [];
  return id !== undefined && model !== undefined ? { id, model } : text;
}
