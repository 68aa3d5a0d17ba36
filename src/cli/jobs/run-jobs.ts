import { checkFields, describeValue, integer, refuse } from '../../fields.js';
import { hasEnded, jobFailed, jobStatus } from '../../ops/sagemaker/job.js';
import { CloudWatchSource, LogFollower } from '../../ops/sagemaker/logs.js';
import { JOB_PREFIX } from '../../ops/sagemaker/names.js';
import { resume } from '../../ops/sagemaker/submit.js';
import { printable } from '../../printable.js';
import { checkAction, flagsOfOthers } from '../actions.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { toNumber } from '../load-flags.js';
import { columns, note, printJson } from '../output.js';
import { tellResult } from '../print-result.js';
import { projectFolder } from '../project-folder.js';
import { formatAge } from '../quantities.js';
import { type Cloud, withCloud } from './cloud.js';
import { JOB_ACTIONS } from './command.js';
import { fetchResult } from './fetch-result.js';
import { followOnTerminal } from './follow.js';
import { serveJobs } from './serve.js';

type Action = (typeof JOB_ACTIONS)[number];

/** The flags of one action alone, by their keys. */
const FLAGS_OF: Partial<Record<Action, readonly string[]>> = {
  list: ['count'],
  logs: ['follow'],
  resume: ['instanceCount'],
  serve: ['port', 'python'],
};
const NAMELESS: readonly Action[] = ['list', 'serve'];

/** The handler of `t2i jobs`. */
export async function runJobs(input: CommandInput, io: Io): Promise<number> {
  const [given = 'list', name = ''] = input.args;
  const action = checkAction(given, JOB_ACTIONS);
  const { count, port, instanceCount } = checkInput(action, input);
  if (action === 'serve') return serveJobs(port ?? 0, input, io);
  return withCloud(projectFolder(io), io, undefined, async (cloud) => {
    if (action === 'list') return list(count ?? 20, cloud, input, io);
    if (action === 'status') return tellResult(jobStatus(await cloud.jobs.describe(name, io.signal)), input, io);
    if (action === 'logs') return logs(name, cloud, input, io);
    if (action === 'stop') return stop(name, cloud, input, io);
    if (action === 'resume') return tellResult(await resume(name, cloud.jobs, io.signal, instanceCount), input, io);
    const job = await cloud.jobs.describe(name, io.signal);
    return tellResult(await fetchResult(projectFolder(io), job, cloud, io), input, io);
  });
}

/** @throws T2IError OPTION_INVALID with everything that does not go together */
function checkInput(action: Action, { args: [, name], flags }: CommandInput) {
  const number = (key: string) => (flags[key] === undefined ? undefined : (toNumber(flags[key]) as number));
  const [count, port, instanceCount] = [number('count'), number('port'), number('instanceCount')];
  const nameless = NAMELESS.includes(action);
  refuse([
    ...flagsOfOthers(action, FLAGS_OF, flags),
    ...(nameless && name !== undefined
      ? [{ option: 'name', expected: `nothing with ${action}`, received: describeValue(name) }]
      : []),
    ...(!nameless && name === undefined
      ? [{ option: 'name', expected: `a job with ${action}; t2i jobs lists them`, received: 'nothing' }]
      : []),
    ...checkFields(
      { count, port, instanceCount },
      { count: integer(1, 10_000), port: integer(0, 65_535), instanceCount: integer(1, 100) },
    ),
  ]);
  return { count, port, instanceCount };
}

async function list(most: number, { jobs }: Cloud, { flags }: CommandInput, io: Io): Promise<number> {
  const found = (await jobs.list(JOB_PREFIX, most, io.signal)).map((job) => ({
    name: job.TrainingJobName ?? '',
    status: job.TrainingJobStatus ?? '',
    created: job.CreationTime?.toISOString() ?? null,
    ended: job.TrainingEndTime?.toISOString() ?? null,
  }));
  if (flags.json === true) printJson(io, found);
  else if (found.length === 0) note(io, `no jobs whose names begin with ${JOB_PREFIX}`);
  else io.stdout.write(columns(['job', 'status', 'age'], found.map(row)));
  return EXIT.ok;
}

function row({ name, status, created }: { name: string; status: string; created: string | null }): string[] {
  return [name, status, created === null ? '' : formatAge(Date.now() - Date.parse(created))];
}

async function logs(name: string, cloud: Cloud, { flags }: CommandInput, io: Io): Promise<number> {
  await cloud.jobs.describe(name, io.signal);
  if (flags.follow === true) {
    const job = await followOnTerminal(name, cloud, io);
    if (job.TrainingJobStatus !== 'Completed') throw jobFailed(job);
    return tellResult(jobStatus(job), { args: [], flags }, io);
  }
  const source = await CloudWatchSource.open(name, cloud.settings);
  try {
    await new LogFollower(source, (line) => {
      if (flags.json === true) printJson(io, line);
      else io.stdout.write(`${line.host} | ${printable(line.text)}\n`);
    }).poll(io.signal);
  } finally {
    source.close();
  }
  return EXIT.ok;
}

async function stop(name: string, { jobs }: Cloud, input: CommandInput, io: Io): Promise<number> {
  const job = await jobs.describe(name, io.signal);
  if (hasEnded(job)) note(io, `${name} has ended already`);
  else await jobs.stop(name, io.signal);
  return tellResult(jobStatus(await jobs.describe(name, io.signal)), input, io);
}
