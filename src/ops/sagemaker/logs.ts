import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { openLogs } from '../../aws/clients.js';
import { awsError } from '../../aws/errors.js';
import type { AwsSettings } from '../../aws/settings.js';
import { T2IError } from '../../errors.js';

const GROUP = '/aws/sagemaker/TrainingJobs';

export interface LogLine {
  /** As `algo-1`. */
  readonly host: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly text: string;
}

/** The log streams of a job: each host has one for each time it was started. */
export interface LogSource {
  /** None before the first line is written. */
  streams(signal: AbortSignal): Promise<string[]>;
  /** What follows a token; the same token comes back where nothing does. */
  read(
    stream: string,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly lines: readonly Omit<LogLine, 'host'>[]; readonly token: string | undefined }>;
}

/** Logs of a job in CloudWatch. */
export class CloudWatchSource implements LogSource {
  readonly #client: CloudWatchLogsClient;
  readonly #job: string;
  readonly #secrets: readonly string[];

  private constructor(client: CloudWatchLogsClient, job: string, secrets: readonly string[]) {
    this.#client = client;
    this.#job = job;
    this.#secrets = secrets;
  }

  static async open(job: string, settings: AwsSettings): Promise<CloudWatchSource> {
    return new CloudWatchSource(await openLogs(settings), job, settings.secrets);
  }

  async streams(signal: AbortSignal): Promise<string[]> {
    const { DescribeLogStreamsCommand } = await import('@aws-sdk/client-cloudwatch-logs');
    const found: string[] = [];
    let nextToken: string | undefined;
    do {
      const command = new DescribeLogStreamsCommand({
        ...{ logGroupName: GROUP, logStreamNamePrefix: `${this.#job}/` },
        nextToken,
      });
      const page = await this.#call(signal, (options) => this.#client.send(command, options)).catch((error) => {
        // The group comes into being with its first stream.
        if (T2IError.is(error) && error.code === 'REMOTE_NOT_FOUND') return null;
        throw error;
      });
      found.push(...(page?.logStreams?.flatMap(({ logStreamName }) => logStreamName ?? []) ?? []));
      nextToken = page?.nextToken;
    } while (nextToken !== undefined);
    return found.sort();
  }

  async read(stream: string, token: string | undefined, signal: AbortSignal) {
    const { GetLogEventsCommand } = await import('@aws-sdk/client-cloudwatch-logs');
    const command = new GetLogEventsCommand({
      ...{ logGroupName: GROUP, logStreamName: stream, startFromHead: true },
      nextToken: token,
    });
    const { events = [], nextForwardToken } = await this.#call(signal, (options) =>
      this.#client.send(command, options),
    );
    const lines = events.map(({ timestamp = 0, message = '' }) => ({ time: timestamp, text: message }));
    return { lines, token: nextForwardToken ?? token };
  }

  close(): void {
    this.#client.destroy();
  }

  async #call<T>(signal: AbortSignal, work: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
    try {
      return await work({ abortSignal: signal });
    } catch (error) {
      signal.throwIfAborted();
      throw awsError(error, `Cannot read the log of ${this.#job}`, this.#secrets);
    }
  }
}

/** Reads what is new in all streams of a job, also in those that come later. */
export class LogFollower {
  readonly #source: LogSource;
  readonly #onLine: (line: LogLine) => void;
  readonly #tokens = new Map<string, string | undefined>();

  constructor(source: LogSource, onLine: (line: LogLine) => void) {
    this.#source = source;
    this.#onLine = onLine;
  }

  /** Tells every line that was written since, in the order of their times. Where it throws, the next call goes on from there. */
  async poll(signal: AbortSignal): Promise<void> {
    const lines: LogLine[] = [];
    try {
      for (const stream of await this.#source.streams(signal)) {
        for await (const line of this.#rest(stream, signal)) lines.push(line);
      }
    } finally {
      for (const line of lines.sort((a, b) => a.time - b.time)) this.#onLine(line);
    }
  }

  async *#rest(stream: string, signal: AbortSignal): AsyncGenerator<LogLine> {
    const host = /\/(algo-\d+)/.exec(stream)?.[1] ?? 'algo-1';
    for (;;) {
      const before = this.#tokens.get(stream);
      const { lines, token } = await this.#source.read(stream, before, signal);
      this.#tokens.set(stream, token);
      for (const line of lines) yield { host, ...line };
      if (token === before) return;
    }
  }
}
