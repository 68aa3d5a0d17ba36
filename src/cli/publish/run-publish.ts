import { join } from 'node:path';
import { describeValue, refuse } from '../../fields.js';
import { refuseUnexported } from '../../ops/hub/model-sources.js';
import { readParams } from '../../ops/params/read.js';
import { refuseWorse } from '../../ops/promotion/reports.js';
import type { CommandInput } from '../command.js';
import type { Io } from '../io.js';
import { tellResult } from '../print-result.js';
import { projectFolder } from '../project-folder.js';
import { pushWithReport } from '../push-with-report.js';

/** Flags of a model that is published to the Hub, of a folder, and of a Space. */
const FLAGS = {
  repo: ['repo', 'tag', 'public'],
  to: ['to'],
  space: ['space', 'folder', 'variables', 'secrets', 'public'],
};

/** The handler of `t2i publish`. */
export async function runPublish(input: CommandInput, io: Io): Promise<number> {
  const { flags } = input;
  const project = projectFolder(io);
  const { params } = await readParams(project);
  const { model_repo: modelRepo, space_repo: spaceRepo } = params.huggingface;
  const place = targetOf(flags, modelRepo);
  refuseOthers(flags, place);
  const folder = params.log_trained_model.diffuser_dir;
  if (place !== 'space') await refuseWorse({ project, folder: join(project, folder) });
  if (place === 'folder') {
    await refuseUnexported(join(project, folder));
    const to = flags.to as string | undefined;
    const target = to ?? `${params.data.remote.replace(/\/+$/, '')}/models/${params.export.name}`;
    const option = to === undefined ? 'data.remote' : '--to';
    const push = {
      folders: [folder],
      target,
      option,
      format: 'files',
      what: 'model',
      name: 'push_completion',
    } as const;
    return tellResult(await pushWithReport(project, push, io), input, io);
  }
  const { publishModelToHub, publishSpaceToHub } = await import('./to-hub.js');
  const result =
    place === 'space'
      ? await publishSpaceToHub(
          { project, space: typeof flags.space === 'string' ? flags.space : (spaceRepo ?? ''), modelRepo, flags },
          io,
        )
      : await publishModelToHub({ project, folder, modelRepo, flags }, io);
  return tellResult(result, input, io);
}

type Target = 'hub' | 'folder' | 'space';

function targetOf(flags: CommandInput['flags'], modelRepo: string | null): Target {
  if (flags.space !== undefined) return 'space';
  if (flags.repo !== undefined) return 'hub';
  return flags.to === undefined && modelRepo !== null ? 'hub' : 'folder';
}

/** @throws T2IError OPTION_INVALID for flags that belong to another target */
function refuseOthers(flags: CommandInput['flags'], target: Target): void {
  const allowed = { hub: FLAGS.repo, folder: FLAGS.to, space: FLAGS.space }[target];
  const others = [...new Set(Object.values(FLAGS).flat())].filter((name) => !allowed.includes(name));
  const issues = others.flatMap((name) => {
    const value = flags[name];
    if (value === undefined) return [];
    const what = { hub: 'a repository of the Hub', folder: 'a folder', space: 'a Space' }[target];
    return [{ option: `--${name}`, expected: `nothing with ${what}`, received: describeValue(value) }];
  });
  refuse(issues);
}
