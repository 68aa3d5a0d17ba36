import type {
  CreateTrainingJobRequest,
  DescribeTrainingJobResponse,
  SageMakerClient,
  TrainingJobSummary,
} from '@aws-sdk/client-sagemaker';
import { openSageMaker } from '../../aws/clients.js';
import { awsError } from '../../aws/errors.js';
import type { AwsSettings } from '../../aws/settings.js';
import { T2IError } from '../../errors.js';

/** SageMaker's training jobs; every method throws T2IError. */
export class TrainingJobs {
  readonly #client: SageMakerClient;
  readonly #secrets: readonly string[];

  private constructor(client: SageMakerClient, secrets: readonly string[]) {
    this.#client = client;
    this.#secrets = secrets;
  }

  static async open(settings: AwsSettings): Promise<TrainingJobs> {
    return new TrainingJobs(await openSageMaker(settings), settings.secrets);
  }

  /** The region that requests go to. @throws T2IError OPTION_INVALID where none is set */
  async region(): Promise<string> {
    try {
      return await this.#client.config.region();
    } catch (error) {
      throw awsError(error, 'Cannot reach SageMaker', this.#secrets);
    }
  }

  /** @throws T2IError REMOTE_CONFLICT where a job of that name is there */
  async create(request: CreateTrainingJobRequest, signal: AbortSignal): Promise<void> {
    const { CreateTrainingJobCommand } = await import('@aws-sdk/client-sagemaker');
    await this.#call(`Cannot start the training job ${request.TrainingJobName}`, signal, (options) =>
      this.#client.send(new CreateTrainingJobCommand(request), options),
    );
  }

  /** Null where there is no such job. */
  async find(name: string, signal: AbortSignal): Promise<DescribeTrainingJobResponse | null> {
    const { DescribeTrainingJobCommand } = await import('@aws-sdk/client-sagemaker');
    try {
      return await this.#client.send(new DescribeTrainingJobCommand({ TrainingJobName: name }), {
        abortSignal: signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      const { name: kind, message } = error as Error;
      // The service has no error of its own for it.
      if (kind === 'ValidationException' && /not found|not exist|could not find/i.test(message)) return null;
      throw awsError(error, `Cannot look at the training job ${name}`, this.#secrets);
    }
  }

  /** @throws T2IError REMOTE_NOT_FOUND */
  async describe(name: string, signal: AbortSignal): Promise<DescribeTrainingJobResponse> {
    const found = await this.find(name, signal);
    if (found !== null) return found;
    throw new T2IError('REMOTE_NOT_FOUND', `There is no training job ${name} in ${await this.region()}`, {
      hint: 'List those that there are: t2i jobs',
    });
  }

  /** Jobs whose names begin so, the newest first. */
  async list(prefix: string, most: number, signal: AbortSignal): Promise<TrainingJobSummary[]> {
    const { ListTrainingJobsCommand } = await import('@aws-sdk/client-sagemaker');
    const found: TrainingJobSummary[] = [];
    let NextToken: string | undefined;
    do {
      const command = new ListTrainingJobsCommand({
        ...{ NameContains: prefix, SortBy: 'CreationTime', SortOrder: 'Descending', MaxResults: 100 },
        NextToken,
      });
      const page = await this.#call('Cannot list the training jobs', signal, (options) =>
        this.#client.send(command, options),
      );
      found.push(...(page.TrainingJobSummaries?.filter((job) => job.TrainingJobName?.startsWith(prefix)) ?? []));
      NextToken = page.NextToken;
    } while (NextToken !== undefined && found.length < most);
    return found.slice(0, most);
  }

  async stop(name: string, signal: AbortSignal): Promise<void> {
    const { StopTrainingJobCommand } = await import('@aws-sdk/client-sagemaker');
    await this.#call(`Cannot stop the training job ${name}`, signal, (options) =>
      this.#client.send(new StopTrainingJobCommand({ TrainingJobName: name }), options),
    );
  }

  close(): void {
    this.#client.destroy();
  }

  async #call<T>(doing: string, signal: AbortSignal, work: (options: { abortSignal: AbortSignal }) => Promise<T>) {
    try {
      return await work({ abortSignal: signal });
    } catch (error) {
      signal.throwIfAborted();
      throw awsError(error, doing, this.#secrets);
    }
  }
}
