import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import type { CreateTrainingJobRequest, DescribeTrainingJobResponse, SecondaryStatus } from '@aws-sdk/client-sagemaker';
import { below, parseS3Address } from '../../../aws/s3-address.js';
import type { S3Store } from '../../../aws/s3-store.js';
import { T2IError } from '../../../errors.js';
import { downloadOne, fillChannels } from './channels.js';
import { CheckpointSync } from './checkpoint-sync.js';
import type { Faults } from './faults.js';
import { Host } from './host.js';
import { LogWriter } from './log-writer.js';
import { uploadModel } from './output.js';

export interface CourseOptions {
  readonly store: S3Store;
  readonly logs: CloudWatchLogsClient;
  readonly faults: Faults;
  /** Folder for the hosts. */
  readonly work: string;
  /** Of the containers, without what the job adds. */
  readonly env: Readonly<Record<string, string>>;
  /** What the image starts where a job names no entry point. */
  readonly imageCommand: readonly string[];
  /** A port of this machine at which the hosts meet. */
  readonly port: () => Promise<number>;
  /** Milliseconds from SIGTERM to SIGKILL: two minutes, as the service gives. */
  readonly grace: number;
  /** Milliseconds between looks at checkpoints, and before machines are asked for again. */
  readonly every: number;
}

type Job = DescribeTrainingJobResponse;
/** Why hosts were ended before they ended themselves. */
type Ending = 'interrupted' | 'stopped' | 'too long' | 'a host failed';

/** What part of the price a stand-in for spot machines costs. */
const SPOT_PRICE = 0.3;

/** The course of one training job, from the request to its end. */
export class Course {
  readonly job: Job;
  readonly #options: CourseOptions;
  #hosts: Host[] = [];
  #ending: Ending | undefined;
  /** Exit code of the first host that failed. */
  #failed: number | undefined;
  #began = 0;
  #trained = 0;
  #over: Promise<void> = Promise.resolve();

  constructor(request: CreateTrainingJobRequest, arn: string, options: CourseOptions) {
    this.#options = options;
    const now = new Date();
    this.job = {
      ...request,
      TrainingJobArn: arn,
      TrainingJobStatus: 'InProgress',
      CreationTime: now,
      LastModifiedTime: now,
      SecondaryStatusTransitions: [],
    } as unknown as Job;
    this.#enter('Starting');
  }

  /** Resolves when the job has ended, whichever way. */
  get over(): Promise<void> {
    return this.#over;
  }

  start(): void {
    this.#over = this.#run().catch((error: Error) => this.#fail(`InternalServerError: ${error.message}`));
  }

  stop(): void {
    this.job.TrainingJobStatus = 'Stopping';
    this.#end('stopped');
  }

  async #run(): Promise<void> {
    const { MaxRuntimeInSeconds: most = 86_400, MaxWaitTimeInSeconds: wait } = this.job.StoppingCondition ?? {};
    const deadline = Date.now() + (wait ?? Number.POSITIVE_INFINITY) * 1000;
    for (;;) {
      if (!(await this.#findMachines(deadline))) return;
      const roots = await this.#download();
      if (roots === null) return;
      const timer = setTimeout(() => this.#end('too long'), most * 1000 - this.#trained);
      const failure = await this.#train(roots);
      clearTimeout(timer);
      if (this.#ending === 'interrupted') {
        this.#ending = undefined;
        this.#enter('Interrupted');
        continue;
      }
      if (failure !== null && (this.#ending === undefined || this.#ending === 'a host failed'))
        return this.#fail(failure);
      return this.#finish(roots);
    }
  }

  /** False where none are to be had, and the job has ended. */
  async #findMachines(deadline: number): Promise<boolean> {
    const { faults, every } = this.#options;
    if (this.#lastStatus() !== 'Starting') this.#enter('Starting');
    while (faults.capacity > 0) {
      faults.capacity--;
      if (!this.job.EnableManagedSpotTraining) {
        this.#fail(
          'CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type.',
        );
        return false;
      }
      await sleep(every);
      if (Date.now() > deadline) {
        this.#close('Stopped', 'MaxWaitTimeExceeded');
        return false;
      }
    }
    if (this.#ending !== 'stopped') return true;
    this.#close('Stopped', 'Stopped');
    return false;
  }

  /** A folder for each host, with its inputs. Null where they cannot be had, and the job has failed. */
  async #download(): Promise<string[] | null> {
    this.#enter('Downloading');
    const { work, store } = this.#options;
    const names = this.#hostNames();
    const attempt = this.job.SecondaryStatusTransitions?.length;
    const roots = names.map((name) => join(work, `${this.job.TrainingJobName}`, `${attempt}`, name));
    try {
      for (const root of roots) {
        await fillChannels(this.job.InputDataConfig ?? [], root, store, new AbortController().signal);
        await this.#fetchSources(root);
      }
      return roots;
    } catch (error) {
      if (!T2IError.is(error)) throw error;
      this.#fail(`ClientError: Data download failed: ${error.message}`);
      return null;
    }
  }

  /** What the training toolkit of an image would fetch. */
  async #fetchSources(root: string): Promise<void> {
    const { sagemaker_submit_directory: sources } = this.job.HyperParameters ?? {};
    if (sources === undefined) return;
    const from = parseS3Address(JSON.parse(sources), 'sagemaker_submit_directory');
    await downloadOne(this.#options.store, from, join(root, 'sourcedir.tar.gz'), new AbortController().signal);
  }

  /** Runs all hosts to their ends. Returns why the job failed, or null. */
  async #train(roots: readonly string[]): Promise<string | null> {
    const { store, logs, faults, every } = this.#options;
    const names = this.#hostNames();
    const address = `127.0.0.1:${await this.#options.port()}`;
    const checkpoints = this.job.CheckpointConfig?.S3Uri;
    const syncs = roots.flatMap((root) =>
      checkpoints === undefined
        ? []
        : [new CheckpointSync(store, join(root, 'checkpoints'), parseS3Address(checkpoints, 'S3Uri'), every)],
    );
    const writers = names.map(
      (name) => new LogWriter(logs, `${this.job.TrainingJobName}/${name}`, faults.linesOfStream),
    );
    this.#hosts = names.map((name, at) => {
      const root = roots[at] as string;
      const onLine = (line: string) => {
        writers[at]?.write(line);
        this.#read(line);
      };
      const env = { ...this.#options.env, ...this.#containerEnv(root, address) };
      return new Host({
        name,
        hosts: names,
        root,
        job: this.job,
        env,
        imageCommand: this.#options.imageCommand,
        onLine,
      });
    });
    for (const host of this.#hosts) await host.prepare();
    for (const sync of syncs) await sync.start(new AbortController().signal);
    this.#enter('Training');
    this.job.TrainingStartTime ??= new Date();
    this.#began = Date.now();
    this.#failed = undefined;
    // It may have been stopped while its inputs were fetched.
    if (this.#ending === undefined) await Promise.all(this.#hosts.map((host) => this.#runHost(host)));
    this.#trained += Date.now() - this.#began;
    const lost = this.#ending === 'interrupted' && faults.withoutNotice;
    await Promise.all(syncs.map((sync) => (lost ? sync.abandon() : sync.stop())));
    await Promise.all(writers.map((writer) => writer.close()));
    if (this.#failed === undefined) return null;
    const reasons = await Promise.all(this.#hosts.map((host) => host.failure()));
    const reason = reasons.find((text) => text !== '') ?? 'the container said nothing';
    return `AlgorithmError: ${reason}, exit code: ${this.#failed}`;
  }

  async #runHost(host: Host): Promise<void> {
    const code = await host.run();
    if (code === 0) return;
    this.#failed ??= code;
    // The others would wait for it for ever.
    this.#end('a host failed');
  }

  #end(why: Ending): void {
    this.#ending ??= why;
    const { grace, faults } = this.#options;
    const atOnce = why === 'interrupted' && faults.withoutNotice;
    for (const host of this.#hosts) {
      if (atOnce) host.kill();
      else {
        host.terminate();
        setTimeout(() => host.kill(), grace).unref();
      }
    }
  }

  async #finish(roots: readonly string[]): Promise<void> {
    if (this.#ending === undefined || this.#ending === 'a host failed') this.#enter('Uploading');
    const output = parseS3Address(this.job.OutputDataConfig?.S3OutputPath ?? '', 'S3OutputPath');
    const to = below(output, `${this.job.TrainingJobName}/output/model.tar.gz`);
    const S3ModelArtifacts = await uploadModel(this.#options.store, roots, to);
    this.job.ModelArtifacts = { S3ModelArtifacts };
    if (this.#ending === 'stopped') this.#close('Stopped', 'Stopped');
    else if (this.#ending === 'too long') this.#close('Stopped', 'MaxRuntimeExceeded');
    else this.#close('Completed', 'Completed');
  }

  #fail(reason: string): void {
    this.job.FailureReason = reason.slice(0, 1024);
    this.#close('Failed', 'Failed');
  }

  #close(status: 'Completed' | 'Failed' | 'Stopped', secondary: SecondaryStatus): void {
    this.#enter(secondary);
    const seconds = Math.ceil(this.#trained / 1000);
    this.job.TrainingJobStatus = status;
    this.job.TrainingEndTime = new Date();
    this.job.TrainingTimeInSeconds = seconds;
    this.job.BillableTimeInSeconds = this.job.EnableManagedSpotTraining ? Math.ceil(seconds * SPOT_PRICE) : seconds;
  }

  #enter(Status: SecondaryStatus): void {
    const now = new Date();
    const transitions = this.job.SecondaryStatusTransitions ?? [];
    const last = transitions.at(-1);
    if (last) last.EndTime = now;
    transitions.push({ Status, StartTime: now, StatusMessage: Status });
    this.job.SecondaryStatus = Status;
    this.job.LastModifiedTime = now;
  }

  #lastStatus(): string | undefined {
    return this.job.SecondaryStatusTransitions?.at(-1)?.Status;
  }

  /** A line of a host's log: figures are read from it, and it may be the moment for a fault. */
  #read(line: string): void {
    for (const { Name = '', Regex = '' } of this.job.AlgorithmSpecification?.MetricDefinitions ?? []) {
      const value = Number(new RegExp(Regex).exec(line)?.[1] ?? Number.NaN);
      if (Number.isNaN(value)) continue;
      const others = (this.job.FinalMetricDataList ?? []).filter(({ MetricName }) => MetricName !== Name);
      this.job.FinalMetricDataList = [...others, { MetricName: Name, Value: value, Timestamp: new Date() }];
    }
    const { interruptAt } = this.#options.faults;
    if (!this.job.EnableManagedSpotTraining || this.#ending !== undefined || !interruptAt[0]?.test(line)) return;
    interruptAt.shift();
    this.#end('interrupted');
  }

  #hostNames(): string[] {
    return Array.from({ length: this.job.ResourceConfig?.InstanceCount ?? 1 }, (_, at) => `algo-${at + 1}`);
  }

  #containerEnv(root: string, address: string): Record<string, string> {
    return {
      ...(this.job.Environment ?? {}),
      TRAINING_JOB_NAME: this.job.TrainingJobName ?? '',
      TRAINING_JOB_ARN: this.job.TrainingJobArn ?? '',
      T2I_ML_ROOT: root,
      T2I_ML_MASTER: address,
    };
  }
}
