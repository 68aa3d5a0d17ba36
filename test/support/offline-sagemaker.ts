import {
  type CreateTrainingJobRequest,
  type DescribeTrainingJobResponse,
  SageMakerClient,
  type TrainingJobStatus,
} from '@aws-sdk/client-sagemaker';
import { vi } from 'vitest';
import { TrainingJobs } from '../../src/ops/sagemaker/client.js';
import { OFFLINE } from './offline-store.js';

interface Sent {
  readonly name: string;
  readonly input: Record<string, unknown>;
  readonly signal: AbortSignal | undefined;
}

type Answer = (input: Record<string, unknown>) => unknown;

/** SageMaker's training jobs in memory: what is created runs until a test says that it ends. */
export class OfflineSageMaker {
  /** By name, the oldest first. */
  readonly jobs = new Map<string, DescribeTrainingJobResponse>();
  readonly sent: Sent[] = [];
  /** What is answered to the next commands of a name in the place of the service, and done before. */
  readonly instead: Record<string, Answer[]> = {};
  /** Jobs of a page of a list. */
  page = 100;

  /** A client that reaches this service alone, until mocks are restored. */
  async open(): Promise<TrainingJobs> {
    const answer = (command: object, options?: { abortSignal?: AbortSignal }) =>
      this.#answer(command as { input: Record<string, unknown> }, options?.abortSignal);
    vi.spyOn(SageMakerClient.prototype, 'send').mockImplementation(answer as never);
    return TrainingJobs.open(OFFLINE);
  }

  /** A job as it is described. */
  add(name: string, changes: Partial<DescribeTrainingJobResponse> = {}): void {
    const job = { TrainingJobName: name, TrainingJobStatus: 'InProgress', ...changes };
    this.jobs.set(name, job as unknown as DescribeTrainingJobResponse);
  }

  end(name: string, status: TrainingJobStatus): void {
    this.add(name, { ...this.jobs.get(name), TrainingJobStatus: status });
  }

  /** The names of what was created, each time that it was asked for. */
  get created(): unknown[] {
    return this.sent.filter(({ name }) => name === 'CreateTrainingJob').map(({ input }) => input.TrainingJobName);
  }

  create(request: CreateTrainingJobRequest): unknown {
    const name = request.TrainingJobName as string;
    if (this.jobs.has(name)) throw awsLike('ResourceInUse', 'Training job names must be unique');
    this.add(name, request as never);
    return {};
  }

  async #answer(command: { input: Record<string, unknown> }, signal: AbortSignal | undefined): Promise<unknown> {
    const name = command.constructor.name.replace(/Command$/, '');
    this.sent.push({ name, input: command.input, signal });
    // As the SDK, which lets go of a request that the service may have heard: its error is not the reason.
    const refuseAborted = () => {
      if (signal?.aborted) throw awsLike('AbortError', 'Request aborted');
    };
    refuseAborted();
    const answer = this.instead[name]?.shift() ?? this.#answers[name];
    const value = answer?.(command.input);
    refuseAborted();
    return value;
  }

  readonly #answers: Record<string, Answer> = {
    CreateTrainingJob: (input) => this.create(input as unknown as CreateTrainingJobRequest),
    DescribeTrainingJob: ({ TrainingJobName: name }) => this.#find(name),
    ListTrainingJobs: ({ NameContains: part, MaxResults: most, NextToken: token = 0 }) => {
      const found = [...this.jobs.values()].reverse().filter((job) => job.TrainingJobName?.includes(`${part}`));
      const end = Number(token) + Math.min(Number(most), this.page);
      const TrainingJobSummaries = found.slice(Number(token), end);
      return { TrainingJobSummaries, ...(end < found.length && { NextToken: `${end}` }) };
    },
    StopTrainingJob: ({ TrainingJobName: name }) => {
      this.#find(name);
      this.end(`${name}`, 'Stopping');
      return {};
    },
  };

  #find(name: unknown): DescribeTrainingJobResponse {
    const found = this.jobs.get(`${name}`);
    if (found === undefined) throw awsLike('ValidationException', 'Requested resource not found.');
    return found;
  }
}

/** An error as the SDK throws it. */
export function awsLike(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}
