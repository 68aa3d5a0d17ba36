import { join, resolve } from 'node:path';
import { refuse } from '../../fields.js';
import { checkRepoName, isRevision } from '../../hub/repo-name.js';
import { isOfModel, modelSources, nameForTag, runOf } from '../../ops/hub/model-sources.js';
import { projectHub } from '../../ops/hub/project-hub.js';
import { ensureRepository, type Published, type PublishProgress, publish } from '../../ops/hub/publish.js';
import { SpaceFailed, setSpaceValues, waitForSpace } from '../../ops/hub/space.js';
import { isOfSpace, spaceSources } from '../../ops/hub/space-sources.js';
import { projectEnvironment } from '../../ops/project/environment.js';
import { printable } from '../../printable.js';
import type { CommandInput } from '../command.js';
import type { Io } from '../io.js';
import { StatusLine } from '../status-line.js';
import { writeReport } from '../write-report.js';

interface ModelTask {
  readonly project: string;
  /** Of the promoted model, below the project. */
  readonly folder: string;
  readonly modelRepo: string | null;
  readonly flags: CommandInput['flags'];
}

interface SpaceTask {
  readonly project: string;
  readonly space: string;
  readonly modelRepo: string | null;
  readonly flags: CommandInput['flags'];
}

/** Publishes a promoted model, and writes what was published to `reports/push_completion.json`. */
export async function publishModelToHub({ project, folder, modelRepo, flags }: ModelTask, io: Io): Promise<Published> {
  const given = flags.repo as string | undefined;
  const repo = checkRepoName(given ?? modelRepo ?? '', given === undefined ? 'huggingface.model_repo' : '--repo');
  const named = flags.tag as string | undefined;
  if (named !== undefined && !isRevision(named))
    refuse([
      { option: '--tag', expected: 'a name of letters, digits, dots and dashes', received: JSON.stringify(named) },
    ]);
  return withStatus(io, async (status) => {
    status.show(`checking the model in ${folder}`);
    const sources = await modelSources(join(project, folder), io.signal);
    const run = nameForTag(await runOf(join(project, folder)));
    const published = await publish({
      hub: await projectHub(project, io.env),
      ...{ kind: 'models', repo, sources, isStale: isOfModel },
      tag: named ?? ((hash) => `${run}-${hash.slice(0, 8)}`),
      ...{ public: flags.public === true, signal: io.signal, onProgress: tell(status, repo) },
    });
    // How much of it was new depends on what was there: the report of the same files stays the same.
    const { changed: _, removed: __, ...result } = published;
    await writeReport(project, 'push_completion', result);
    return published;
  });
}

/** Publishes the folder of a Space with its variables and secrets, and waits until it runs. */
export async function publishSpaceToHub({ project, space, modelRepo, flags }: SpaceTask, io: Io): Promise<Published> {
  const repo = checkRepoName(space, '--space');
  const env = await projectEnvironment(project, io.env);
  const shown = {
    ...(modelRepo !== null && { HF_MODEL_REPO: modelRepo }),
    ...valuesOf(flags.variables, '--variables', env),
  };
  const secrets = valuesOf(flags.secrets, '--secrets', env);
  return withStatus(io, async (status) => {
    const sources = await spaceSources(resolve(project, (flags.folder as string | undefined) ?? 'space'));
    const hub = await projectHub(project, io.env);
    const options = { hub, space: repo, signal: io.signal };
    const destination = { hub, kind: 'spaces' as const, repo, public: flags.public === true, signal: io.signal };
    // What the files need when they start comes before them.
    await ensureRepository(destination);
    await setSpaceValues(options, 'variables', shown);
    await setSpaceValues(options, 'secrets', secrets);
    const published = await publish({
      ...destination,
      ...{ sources, isStale: isOfSpace, onProgress: tell(status, repo) },
    });
    try {
      await waitForSpace(options, published.commit, (stage) => status.show(`${repo} is ${stage}`));
    } catch (error) {
      status.clear();
      if (error instanceof SpaceFailed) for (const line of error.log) io.stderr.write(`${printable(line)}\n`);
      throw error;
    }
    return published;
  });
}

/** Values of the variables of the environment that are named. @throws T2IError OPTION_INVALID for those that are not set */
function valuesOf(
  names: unknown,
  option: string,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const list = typeof names === 'string' ? names.split(',').map((name) => name.trim()) : [];
  refuse(
    list.flatMap((name) => {
      const fine = /^[A-Za-z_]\w{0,99}$/.test(name);
      if (fine && env[name]) return [];
      // Whoever writes NAME=VALUE may have written a secret.
      const expected = fine
        ? `${name} in the environment or .env`
        : 'names of environment variables, separated by commas';
      return [{ option, expected, received: fine ? 'nothing' : 'something else' }];
    }),
  );
  return Object.fromEntries(list.map((name) => [name, env[name] as string]));
}

const WORDS = { hashing: 'reading', sending: 'sending', checking: 'checking' } as const;

function tell(status: StatusLine, repo: string): (progress: PublishProgress) => void {
  return ({ phase, done, total }) => status.show(`${repo}: ${WORDS[phase]} ${done}/${total} files`);
}

async function withStatus<T>(io: Io, work: (status: StatusLine) => Promise<T>): Promise<T> {
  const status = new StatusLine(io);
  try {
    return await work(status);
  } finally {
    status.clear();
  }
}
