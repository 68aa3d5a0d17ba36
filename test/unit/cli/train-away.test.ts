import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { Interrupted } from '../../../src/cli/io.js';
import { at, freshCloud, job, leaveModel, PARAMS, params, RESULT, report, t2i, train, write } from './offline-cloud.js';

freshCloud();

describe('t2i train --on sagemaker', () => {
  it('starts the job, follows it to its end, fetches the model, and tells what it cost', async () => {
    at.meanwhile = () => {
      const name = job();
      if (at.waits.length === 1) {
        at.service.add(name, { ...at.service.jobs.get(name), SecondaryStatus: 'Training' });
        at.logs.set(`${name}/algo-1-1`, ['step=1 lr=1e-05', 'a \u001b[2J line']);
        return;
      }
      const { HyperParameters } = at.service.jobs.get(name) ?? {};
      at.service.add(name, {
        ...({ TrainingJobStatus: 'Completed', SecondaryStatus: 'Completed', HyperParameters } as object),
        ...{ ModelArtifacts: { S3ModelArtifacts: 's3://flowers/out/model.tar.gz' } },
        ...{ TrainingTimeInSeconds: 100, BillableTimeInSeconds: 40 },
      });
    };
    await leaveModel('out/model.tar.gz');
    const { code, err, json } = await train('--wait', '--json');
    expect(code, err).toBe(0);
    const name = job();
    expect(json()).toEqual({
      ...{ ...RESULT, job: name, training_seconds: 100, billable_seconds: 40, saved_percent: 60, interruptions: 0 },
    });
    expect(report()).toEqual(RESULT);
    expect(existsSync(join(at.project, 'runs/run_1/run.json'))).toBe(true);
    expect(err).toMatch(/^note: at most \$[\d.]+: /);
    expect(err).toContain(`note: started the training job ${name}\n`);
    expect(err).toContain(`note: ${name}: Training\n`);
    expect(err).toContain('algo-1 | step=1 lr=1e-05\nalgo-1 | a \\u{1b}[2J line\n');
    expect(err).not.toContain('goes on');
    expect(at.waits).toEqual([10_000, 10_000]);
  });

  it('only starts it where that is asked for, and says how to come back', async () => {
    const { code, err, json } = await train('--detach', '--json');
    expect([code, json()]).toEqual([0, { job: job(), created: true }]);
    expect(err).toContain(`follow it: t2i jobs logs ${job()} --follow`);
    expect(err).toContain(`t2i jobs fetch ${job()}`);
    expect([existsSync(join(at.project, 'runs')), at.waits]).toEqual([false, []]);
    const again = await train('--detach', '--json');
    expect(again.json()).toEqual({ job: job(), created: false });
    expect(again.err).toContain(`the training job ${job()} was started before`);
    expect(at.service.created).toHaveLength(1);
  });

  it('takes strategy, name and machines from flags before parameters', async () => {
    await train('--detach', '--run', 'tuned', '--no-spot');
    expect(at.service.jobs.get(job())).toMatchObject({
      ...{ EnableManagedSpotTraining: false, HyperParameters: { t2i_run: 'tuned' } },
    });
    params({ use_spot_instances: false });
    await train('--detach', '--spot');
    expect(at.service.jobs.get(`${at.service.created[1]}`)).toMatchObject({ EnableManagedSpotTraining: true });
  });

  it('starts as the toolkit of AWS does where that is asked for', async () => {
    await train('--detach', '--container-format', 'toolkit');
    expect(at.service.jobs.get(job())).toMatchObject({
      HyperParameters: { sagemaker_program: expect.any(String) },
    });
    await train('--detach', '--container-format', 'own');
    const own = at.service.jobs.get(`${at.service.created[1]}`);
    expect(own?.HyperParameters).not.toHaveProperty('sagemaker_program');
  });

  it('warns of parameters that are odd before it pays for anything', async () => {
    write('params.yaml', stringify({ ...PARAMS, training: { ...PARAMS.training, caption_dropout: 0 } }));
    const { err } = await train('--detach');
    expect(err).toMatch(/^warning: training.caption_dropout: /);
  });

  it('goes on after Ctrl-C, which says so and how to stop it', async () => {
    const end = new AbortController();
    at.meanwhile = () => end.abort(new Interrupted('SIGINT'));
    const { code, out, err } = await t2i(['train', '--on', 'sagemaker'], { signal: end.signal });
    expect([code, out]).toEqual([130, '']);
    expect(err).toContain(`the training job ${job()} goes on, and so does what it costs`);
    expect(err).toContain(`stop it: t2i jobs stop ${job()}`);
    expect(at.service.sent.map(({ name }) => name)).not.toContain('StopTrainingJob');
    expect(at.service.jobs.get(job())?.TrainingJobStatus).toBe('InProgress');
  });

  it('that fails says why, and reports and fetches nothing', async () => {
    at.meanwhile = () => {
      at.service.add(job(), { ...at.service.jobs.get(job()), FailureReason: 'no memory' });
      at.service.end(job(), 'Failed');
    };
    const { code, err } = await train();
    expect([code, err]).toEqual([1, expect.stringContaining(`The training job ${job()} failed: no memory`)]);
    expect(err).toContain(`t2i jobs resume ${job()}`);
    expect([existsSync(join(at.project, 'reports')), existsSync(join(at.project, 'runs'))]).toEqual([false, false]);
  });

  it.each(['sagemaker', 'local-sagemaker'])('shows for %s what it would send, and sends nothing', async (place) => {
    const argv = ['train', '--on', place, '--dry-run'];
    const json = (await t2i([...argv, '--json'])).json();
    expect(json).toEqual({
      cost: expect.objectContaining({ at_most: expect.anything(), note: expect.any(String) }),
      request: expect.objectContaining({ StoppingCondition: expect.objectContaining({ MaxRuntimeInSeconds: 3600 }) }),
    });
    const { code, out, err } = await t2i(argv);
    expect([code, JSON.parse(out)]).toEqual([0, json.request]);
    expect(err).toMatch(/^note: nothing was sent; at most \$[\d.]+: .*\n$/);
    expect([at.service.created, at.bucket.written]).toEqual([[], []]);
  });

  it('replaces no run that was trained here', async () => {
    write('runs/run_1/options.json', '{}');
    const { code, err } = await train();
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/runs\/run_1 holds a run that was trained here(.|\n)*--run/),
    ]);
    expect([at.service.sent, at.bucket.written]).toEqual([[], []]);
  });

  it('needs images, data and a region, and asks for nothing without', async () => {
    at.bucket.objects.clear();
    expect((await train()).err).toContain('t2i data push');
    const nowhere = await t2i(['train', '--on', 'local-sagemaker', '--python', 'p'], {
      env: { AWS_REGION: undefined },
    });
    expect([nowhere.code, nowhere.err]).toEqual([
      2,
      expect.stringMatching(/AWS_REGION: expected a region(.|\n)*\.env/),
    ]);
    for (const name of ['b.png', 'c.png']) rmSync(join(at.project, 'data/raw/dataset/images', name));
    expect((await train()).err).toContain('data.train_size: expected at most 1');
    expect(at.service.created).toEqual([]);
  });
});

describe('t2i train --on local-sagemaker', () => {
  const argv = ['train', '--on', 'local-sagemaker', '--python', process.execPath, '--json'];

  it('asks a service on this machine, which costs nothing, and fetches the model', async () => {
    await leaveModel('out/model.tar.gz');
    at.meanwhile = () => {
      at.service.end(job(), 'Completed');
      at.service.add(job(), {
        ...at.service.jobs.get(job()),
        ModelArtifacts: { S3ModelArtifacts: 's3://flowers/out/model.tar.gz' },
      });
    };
    const { code, err, json } = await t2i(argv);
    expect([code, json()], err).toEqual([0, expect.objectContaining({ ...RESULT, job: job() })]);
    expect(err).toMatch(/^note: started the training job /);
    expect(at.waits).toEqual([300]);
  });

  it('ends with the command', async () => {
    const end = new AbortController();
    at.meanwhile = () => end.abort(new Interrupted('SIGINT'));
    const { code, err } = await t2i(argv, { signal: end.signal });
    expect([code, err]).toEqual([130, expect.not.stringContaining('goes on')]);
  });
});
