import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DescribeTrainingJobResponse } from '@aws-sdk/client-sagemaker';
import { makeFolder, writeJsonFile } from '../../../files.js';
import { readLines } from '../../../python/read-lines.js';

export interface HostOptions {
  /** As `algo-1`. */
  readonly name: string;
  readonly hosts: readonly string[];
  /** What stands for /opt/ml. */
  readonly root: string;
  readonly job: DescribeTrainingJobResponse;
  readonly env: Readonly<Record<string, string>>;
  /** What the image starts where the job has no entry point of its own. */
  readonly imageCommand: readonly string[];
  readonly onLine: (line: string) => void;
}

/**
 * Runs a command whose group ends with whoever holds the other end of its standard input, however that one ends: containers would
 * go on for hours otherwise.
 */
const WATCHED = 'exec 3<&0; (cat; kill -9 -$$) <&3 3<&- >/dev/null 2>&1 & exec "$@" 3<&- </dev/null';

/** A container as a process of this machine, with a folder of its own in place of /opt/ml. */
export class Host {
  readonly #options: HostOptions;
  #child: ChildProcess | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
  }

  /** Writes what the container reads of its job; the inputs are there already. */
  async prepare(): Promise<void> {
    const { root, job, name, hosts } = this.#options;
    for (const folder of ['model', 'output/data', 'checkpoints', 'input/config']) await makeFolder(join(root, folder));
    const config = join(root, 'input/config');
    await writeJsonFile(join(config, 'hyperparameters.json'), job.HyperParameters ?? {});
    await writeJsonFile(join(config, 'resourceconfig.json'), {
      current_host: name,
      current_instance_type: job.ResourceConfig?.InstanceType,
      hosts,
      network_interface_name: 'lo',
    });
  }

  /** Runs the container to its end; returns its exit code. */
  async run(): Promise<number> {
    const { job, root, env, onLine, imageCommand } = this.#options;
    const { ContainerEntrypoint: entry, ContainerArguments: args = [] } = job.AlgorithmSpecification ?? {};
    const [command = '', ...rest] = entry ? [...entry, ...args] : imageCommand;
    // A group of its own, so that all of it can be ended.
    const child = spawn('sh', ['-c', WATCHED, 'sh', command, ...rest], {
      ...{ cwd: root, env, detached: true },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    const read = [child.stdout, child.stderr].map((stream) => readLines(stream, onLine));
    try {
      const [[code]] = await Promise.all([ended, ...read]);
      return code ?? 137;
    } catch (error) {
      onLine(`the container cannot be started: ${(error as Error).message}`);
      return 127;
    } finally {
      // Whatever the container left running goes with it.
      this.kill();
    }
  }

  /** As a container is asked to end: its first process alone gets the signal. */
  terminate(): void {
    if (this.#child?.exitCode === null) this.#child.kill('SIGTERM');
  }

  kill(): void {
    if (this.#child?.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }

  /** What the container says of its failure. */
  async failure(): Promise<string> {
    return readFile(join(this.#options.root, 'output/failure'), 'utf8').then(
      (text) => text.slice(0, 1024).trim(),
      () => '',
    );
  }
}
