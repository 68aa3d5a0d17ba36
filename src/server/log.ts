import pino, { type DestinationStream, type Logger } from 'pino';
import { printable } from '../printable.js';

export type ServerLog = Pick<Logger, 'info' | 'warn' | 'error'>;

/**
 * Lines of JSON. Text of others is escaped, so that a terminal that shows them does nothing else.
 *
 * @param destination where they go; none are written without
 */
export function createLog(destination: DestinationStream | undefined): ServerLog {
  if (destination === undefined) return pino({ enabled: false });
  return pino(
    {
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { prompt: escaped, negativePrompt: escaped, err: withoutCommand },
      formatters: { level: (level) => ({ level }) },
    },
    destination,
  );
}

/** An error of Redis names its command, whose arguments are texts of requests. */
function withoutCommand(error: Error) {
  const { command: _, ...rest } = pino.stdSerializers.err(error) as Partial<Record<string, unknown>>;
  return rest;
}

const escaped = (text: unknown) => printable(String(text));
