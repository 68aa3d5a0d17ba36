import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { CreateTrainingJobRequest, DescribeTrainingJobResponse } from '@aws-sdk/client-sagemaker';
import { describeIssues } from '../../../errors.js';
import { checkRequest } from '../limits.js';
import { Course, type CourseOptions } from './course.js';

const ACCOUNT = '123456789012';
const LARGEST_REQUEST = 2 ** 20;
/** The service's own order of magnitude. */
const PAGE = 100;

/** An error in the service's form. */
class Refusal extends Error {
  constructor(
    readonly type: string,
    message: string,
    readonly status = 400,
  ) {
    super(message);
  }
}

type Body = Readonly<Record<string, unknown>>;

/**
 * Training jobs of SageMaker on this machine: speaks its API (AWS JSON 1.1) on a loopback port, refuses what the service refuses, and runs
 * each host of a job as a process, by the contract of its containers. Data, models and checkpoints lie in S3, logs in CloudWatch.
 */
export class LocalSageMaker {
  readonly #options: CourseOptions & { readonly region: string };
  readonly #courses = new Map<string, Course>();
  #server: Server | undefined;
  #types: readonly string[] = [];

  private constructor(options: CourseOptions & { readonly region: string }) {
    this.#options = options;
  }

  /** @param port 0 for any that is free */
  static async start(options: CourseOptions & { readonly region: string }, port = 0): Promise<LocalSageMaker> {
    const service = new LocalSageMaker(options);
    const { TrainingInstanceType } = await import('@aws-sdk/client-sagemaker');
    service.#types = Object.values(TrainingInstanceType);
    const server = createServer((request, response) => void service.#answer(request, response));
    service.#server = server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return service;
  }

  get url(): string {
    const address = this.#server?.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  }

  /** Stops what runs, as the service does, and ends. */
  async close(): Promise<void> {
    const running = [...this.#courses.values()].filter(({ job }) => job.TrainingJobStatus === 'InProgress');
    for (const course of running) course.stop();
    await Promise.all([...this.#courses.values()].map(({ over }) => over));
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { faults } = this.#options;
    try {
      refuseStrangers(request);
      const body = await readBody(request);
      if (faults.throttle > 0) {
        faults.throttle--;
        throw new Refusal('ThrottlingException', 'Rate exceeded');
      }
      const target = String(request.headers['x-amz-target'] ?? '').replace(/^SageMaker\./, '');
      const answer = this.#operations[target];
      if (answer === undefined) throw new Refusal('UnknownOperationException', `${target} is not one of this service`);
      const value = answer(body);
      if (faults.lostAnswers > 0) {
        faults.lostAnswers--;
        return void request.socket.destroy();
      }
      send(response, 200, value);
    } catch (error) {
      const known = error instanceof Refusal;
      const { type, status } = known ? error : { type: 'InternalFailure', status: 500 };
      response.setHeader('x-amzn-errortype', type);
      send(response, status, { __type: type, message: (error as Error).message });
    }
  }

  readonly #operations: Readonly<Record<string, (body: Body) => unknown>> = {
    CreateTrainingJob: (body) => this.#create(body as unknown as CreateTrainingJobRequest),
    DescribeTrainingJob: ({ TrainingJobName: name }) => this.#find(name).job,
    ListTrainingJobs: (body) => this.#list(body),
    StopTrainingJob: ({ TrainingJobName: name }) => this.#stop(name),
  };

  #create(request: CreateTrainingJobRequest): unknown {
    const issues = checkRequest(request, this.#types);
    if (issues.length > 0) {
      const many = `${issues.length} validation error${issues.length > 1 ? 's' : ''} detected`;
      throw new Refusal('ValidationException', `${many}: ${describeIssues(issues)}`);
    }
    const name = request.TrainingJobName as string;
    if (this.#courses.has(name))
      throw new Refusal('ResourceInUse', 'Training job names must be unique within an AWS account and region');
    const arn = `arn:aws:sagemaker:${this.#options.region}:${ACCOUNT}:training-job/${name}`;
    const course = new Course(request, arn, this.#options);
    this.#courses.set(name, course);
    course.start();
    return { TrainingJobArn: arn };
  }

  #find(name: unknown): Course {
    const course = this.#courses.get(String(name));
    if (course === undefined) throw new Refusal('ValidationException', 'Requested resource not found.');
    return course;
  }

  #list({ NameContains: part = '', MaxResults: most = 10, NextToken: token = '0', SortOrder: order }: Body): unknown {
    const found = [...this.#courses.values()]
      .map(({ job }) => job)
      .filter(({ TrainingJobName: name }) => name?.includes(String(part)));
    if (order !== 'Ascending') found.reverse();
    const start = Number(token);
    const end = start + Math.min(Number(most), PAGE);
    return {
      TrainingJobSummaries: found.slice(start, end).map(summary),
      ...(end < found.length ? { NextToken: String(end) } : {}),
    };
  }

  #stop(name: unknown): unknown {
    const course = this.#find(name);
    const { TrainingJobStatus: status } = course.job;
    if (status !== 'InProgress')
      throw new Refusal(
        'ValidationException',
        `The request was rejected because the training job is in status ${status}.`,
      );
    course.stop();
    return {};
  }
}

/** It starts programs: pages in a browser, which can reach this port, set neither of these headers. */
function refuseStrangers({ headers, method }: IncomingMessage): void {
  const local = /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(headers.host ?? '');
  if (method !== 'POST' || !local || headers.authorization === undefined || headers['x-amz-target'] === undefined)
    throw new Refusal('AccessDeniedException', 'This is for the AWS SDK on this machine alone', 403);
}

async function readBody(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > LARGEST_REQUEST) throw new Refusal('RequestEntityTooLargeException', 'The request is too large', 413);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString() || '{}') as Body;
  } catch {
    throw new Refusal('SerializationException', 'The request is not valid JSON');
  }
}

function summary(job: DescribeTrainingJobResponse) {
  const { TrainingJobName, TrainingJobArn, CreationTime, TrainingEndTime, LastModifiedTime, TrainingJobStatus } = job;
  return { TrainingJobName, TrainingJobArn, CreationTime, TrainingEndTime, LastModifiedTime, TrainingJobStatus };
}

/** Times are seconds since 1970 in this protocol. */
function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
  response.end(JSON.stringify(withSeconds(value)));
}

function withSeconds(value: unknown): unknown {
  if (value instanceof Date) return value.getTime() / 1000;
  if (Array.isArray(value)) return value.map(withSeconds);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withSeconds(inner)]));
}
