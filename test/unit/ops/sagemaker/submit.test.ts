import type { CreateTrainingJobRequest } from '@aws-sdk/client-sagemaker';
import { describe, expect, it } from 'vitest';
import { resume, submit } from '../../../../src/ops/sagemaker/submit.js';
import { OPS } from '../../../support/moto.js';
import { skipFor } from '../../../support/skip-for.js';
import { at, follow, freshService, request, run, signal } from './local-jobs.js';

describe('a client of the service', skipFor(OPS.lack), () => {
  freshService();

  const preview = (given: CreateTrainingJobRequest) => {
    const sent = { times: 0 };
    const send = async () => {
      sent.times++;
    };
    return { request: given, send, sent };
  };

  it('that is refused for a while goes on', async () => {
    at.local.faults.throttle = 2;
    expect((await run(await request('echo throttled'))).job.TrainingJobStatus).toBe('Completed');
  });

  it('starts a training once, however often it is asked and whatever answer is lost', async () => {
    const given = preview(await request('echo once'));
    const before = (await at.local.jobs.list('t2i-', 1000, signal)).length;
    // What follows is the request that starts it.
    const losing = { ...given, send: async () => void Object.assign(at.local.faults, { lostAnswers: 1 }) };
    expect(await submit(losing, at.local.jobs, signal)).toMatchObject({ name: given.request.TrainingJobName });
    expect(at.local.faults.lostAnswers).toBe(0);
    expect(await submit(given, at.local.jobs, signal)).toMatchObject({ created: false });
    await follow(given.request.TrainingJobName as string);
    expect(await submit(given, at.local.jobs, signal)).toMatchObject({ created: false });
    expect((await at.local.jobs.list('t2i-', 1000, signal)).length).toBe(before + 1);
  });

  it('starts two at once as one', async () => {
    const given = preview(await request('echo twice'));
    const both = await Promise.all([submit(given, at.local.jobs, signal), submit(given, at.local.jobs, signal)]);
    expect(both.filter(({ created }) => created).length).toBe(1);
  });

  it('pays again for a training that failed only where that is said, and goes on from its checkpoints', async () => {
    const script = `cd checkpoints; [ -f mine ] && exit 0; touch mine; sleep 0.3; exit 1`;
    const given = preview(await request(script));
    const name = given.request.TrainingJobName as string;
    await submit(given, at.local.jobs, signal);
    expect((await follow(name)).job.TrainingJobStatus).toBe('Failed');
    const again = submit(given, at.local.jobs, signal);
    await expect(again).rejects.toMatchObject({
      code: 'JOB_FAILED',
      hint: expect.stringContaining(`t2i jobs resume ${name}`),
    });
    expect(await resume(name, at.local.jobs, signal)).toEqual({ name: `${name}-2`, created: true });
    expect((await follow(`${name}-2`)).job.TrainingJobStatus).toBe('Completed');
    expect(await submit(given, at.local.jobs, signal)).toEqual({ name: `${name}-2`, created: false });
    await expect(resume(name, at.local.jobs, signal)).rejects.toMatchObject({ code: 'REMOTE_CONFLICT' });
  });

  it('goes on with another number of machines, which have its checkpoints', async () => {
    const script = `[ -f checkpoints/first ] && echo "$TRAINING_JOB_NAME goes on" && exit 0
    touch checkpoints/first; exit 1`;
    const given = preview(await request(script));
    const name = given.request.TrainingJobName as string;
    await submit(given, at.local.jobs, signal);
    await follow(name);
    expect(await resume(name, at.local.jobs, signal, 1)).toEqual({ name: `${name}-2`, created: true });
    const { job, lines } = await follow(`${name}-2`);
    expect(job.ResourceConfig).toMatchObject({ InstanceCount: 1, InstanceType: 'ml.g4dn.xlarge' });
    expect(lines).toEqual([`algo-1 ${name}-2 goes on`]);
  });

  it('does not pay for machines that cannot share the batch', async () => {
    const batch = { t2i_batch_size: '24', t2i_gradient_accumulation_steps: '2' };
    const given = await request('exit 1 # with a batch', { HyperParameters: { t2i_run: 'one', ...batch } });
    const name = given.TrainingJobName as string;
    await run(given);
    for (const machines of [5, 8, 24]) {
      await expect(resume(name, at.local.jobs, signal, machines)).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        issues: [
          {
            option: 'instanceCount',
            expected: 'one of 1, 2, 3, 4, 6, 12 machines, whose GPUs share a batch of 24 evenly',
            received: `${machines}`,
          },
        ],
      });
    }
    expect(await at.local.jobs.find(`${name}-2`, signal)).toBeNull();
    expect(await resume(name, at.local.jobs, signal, 3)).toEqual({ name: `${name}-2`, created: true });
    // What is resumed is asked the same.
    expect((await follow(`${name}-2`)).job.HyperParameters).toMatchObject(batch);
    await expect(resume(name, at.local.jobs, signal, 5)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('reads every line once, in whichever streams they are', async () => {
    at.local.faults.linesOfStream = 7;
    const { lines } = await run(
      await request('for i in $(seq 40); do echo line $i; [ $((i % 9)) = 0 ] && sleep 0.05; done; true'),
    );
    for (const host of ['algo-1', 'algo-2']) {
      const own = lines.filter((line) => line.startsWith(host));
      expect(own).toEqual(Array.from({ length: 40 }, (_, at) => `${host} line ${at + 1}`));
    }
  });
});
