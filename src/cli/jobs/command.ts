import { type Command, JSON_FLAG } from '../command.js';

export const JOB_ACTIONS = ['list', 'status', 'logs', 'stop', 'resume', 'fetch', 'serve'] as const;

export const jobs: Command = {
  name: 'jobs',
  summary: 'Show, follow, stop and resume training jobs on SageMaker, and fetch what they made.',
  arguments: [
    { name: 'action', description: `${JOB_ACTIONS.join(', ')} (default: list)`, required: false, values: JOB_ACTIONS },
    { name: 'name', description: 'of the job; not with list and serve', required: false },
  ],
  flags: [
    { flags: '--follow', description: 'with logs: wait for what is still to come, to the end of the job' },
    { flags: '--count <n>', description: 'with list: how many, the newest first (default: 20)', sets: ['count'] },
    {
      flags: '--instance-count <n>',
      description: 'with resume: how many machines go on with it (default: as many as before)',
      sets: ['instanceCount'],
    },
    { flags: '--port <n>', description: 'with serve: where it listens (default: any that is free)', sets: ['port'] },
    {
      flags: '--python <path>',
      description: "with serve: an interpreter with the trainer's packages (default: an environment of its own)",
    },
    JSON_FLAG,
  ],
  examples: [
    't2i jobs',
    't2i jobs status t2i-run-1-0a1b2c3d4e5f',
    't2i jobs logs t2i-run-1-0a1b2c3d4e5f --follow',
    't2i jobs stop t2i-run-1-0a1b2c3d4e5f',
    't2i jobs resume t2i-run-1-0a1b2c3d4e5f',
    't2i jobs resume t2i-run-1-0a1b2c3d4e5f --instance-count 4',
    't2i jobs serve --port 5001',
  ],
  async run(input, io) {
    const { runJobs } = await import('./run-jobs.js');
    return runJobs(input, io);
  },
};
