import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';

const GROUP = '/aws/sagemaker/TrainingJobs';
/** CloudWatch cuts at 256 KB. */
const LONGEST_LINE = 100_000;
const MOST_LINES = 1000;

/** Writes the log of a host, as the service does: a stream for each start, lines in the order they came. */
export class LogWriter {
  readonly #client: CloudWatchLogsClient;
  readonly #prefix: string;
  readonly #linesOfStream: number;
  #stream = '';
  #lines = 0;
  #waiting: { timestamp: number; message: string }[] = [];
  #writing: Promise<void> = Promise.resolve();

  /** @param prefix of the streams' names, `JOB/algo-1` */
  constructor(client: CloudWatchLogsClient, prefix: string, linesOfStream: number) {
    this.#client = client;
    this.#prefix = prefix;
    this.#linesOfStream = linesOfStream;
  }

  write(line: string): void {
    // CloudWatch takes no empty line.
    this.#waiting.push({ timestamp: Date.now(), message: line.slice(0, LONGEST_LINE) || ' ' });
    this.#writing = this.#writing.then(() => this.#flush());
    // Whoever closes it is told; until then nobody listens.
    this.#writing.catch(() => {});
  }

  /** Resolves when all of it is there. */
  async close(): Promise<void> {
    await this.#writing;
  }

  async #flush(): Promise<void> {
    const { PutLogEventsCommand } = await import('@aws-sdk/client-cloudwatch-logs');
    while (this.#waiting.length > 0) {
      const full = this.#linesOfStream > 0 && this.#lines >= this.#linesOfStream;
      if (this.#stream === '' || full) await this.#begin();
      const most = this.#linesOfStream > 0 ? this.#linesOfStream - this.#lines : MOST_LINES;
      const logEvents = this.#waiting.splice(0, Math.min(most, MOST_LINES));
      this.#lines += logEvents.length;
      await this.#client.send(new PutLogEventsCommand({ logGroupName: GROUP, logStreamName: this.#stream, logEvents }));
    }
  }

  async #begin(): Promise<void> {
    const { CreateLogGroupCommand, CreateLogStreamCommand } = await import('@aws-sdk/client-cloudwatch-logs');
    this.#stream = `${this.#prefix}-${process.hrtime.bigint()}`;
    this.#lines = 0;
    const there = (error: Error) => {
      if (error.name !== 'ResourceAlreadyExistsException') throw error;
    };
    await this.#client.send(new CreateLogGroupCommand({ logGroupName: GROUP })).catch(there);
    await this.#client
      .send(new CreateLogStreamCommand({ logGroupName: GROUP, logStreamName: this.#stream }))
      .catch(there);
  }
}
