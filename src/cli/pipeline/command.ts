import { type Command, JSON_FLAG } from '../command.js';

export const PIPELINE_ACTIONS = ['run', 'status'] as const;
/** Where the training of a pipeline runs. */
export const PIPELINE_PLACES = ['local', 'sagemaker', 'local-sagemaker'] as const;

export const pipeline: Command = {
  name: 'pipeline',
  summary: "Run a project's stages (dvc.yaml) without DVC: those that are not up to date, to the first that fails.",
  arguments: [
    {
      name: 'action',
      description: 'run, or status to see what would run (default: status)',
      required: false,
      values: PIPELINE_ACTIONS,
    },
  ],
  flags: [
    { flags: '--from <stage>', description: 'leave the stages before this one as they are', sets: ['from'] },
    { flags: '--to <stage>', description: 'stop after this stage', sets: ['to'] },
    {
      flags: '--on <place>',
      description: 'where training runs: local, sagemaker or local-sagemaker (default: pytorch_estimator.train_on)',
      sets: ['on'],
      values: PIPELINE_PLACES,
    },
    JSON_FLAG,
  ],
  examples: [
    't2i pipeline run',
    't2i pipeline run --to evaluate',
    't2i pipeline run --from training --on sagemaker',
    't2i pipeline status',
  ],
  async run(input, io) {
    const { runPipeline } = await import('./run-pipeline.js');
    return runPipeline(input, io);
  },
};
