import { fetchModel } from '../../ops/sagemaker/fetch-model.js';
import { jobFailed, jobStatus } from '../../ops/sagemaker/job.js';
import type { Io } from '../io.js';
import { writeReport } from '../write-report.js';
import type { Cloud } from './cloud.js';
import type { EndedJob } from './follow.js';

/**
 * Fetches what a job made into the project, and reports it as a training on this machine does.
 *
 * @returns what to tell of it, with what the job cost
 * @throws T2IError JOB_FAILED where it has not come to a good end
 */
export async function fetchResult(project: string, job: EndedJob, cloud: Cloud, io: Io): Promise<unknown> {
  if (job.TrainingJobStatus !== 'Completed') throw jobFailed(job);
  const result = await fetchModel(project, job, cloud.store, cloud.settings.secrets, io.signal);
  await writeReport(project, 'training', result);
  const { name, training_seconds, billable_seconds, saved_percent, interruptions } = jobStatus(job);
  return { ...result, job: name, training_seconds, billable_seconds, saved_percent, interruptions };
}
