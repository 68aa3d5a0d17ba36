import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { prepareFile } from '../../files.js';
import { optionsOfRequest } from '../../options.js';
import type { GenerateResult } from '../../pipeline/events.js';
import type { Pipeline } from '../../pipeline.js';
import { removeLeftovers } from '../../temporary-files.js';
import type { Io } from '../io.js';
import { warn } from '../output.js';
import { isFinished } from './finished.js';
import { TO_STDOUT } from './naming.js';
import { PreviewFile, processOfPreview } from './preview-file.js';
import { Progress } from './progress.js';
import { Report } from './report.js';
import type { Task } from './tasks.js';

export interface RunOptions {
  readonly metadata: boolean;
  readonly json: boolean;
}

interface Work extends Task {
  /** Paths of images that an earlier run of the batch has made. */
  readonly skipped: ReadonlySet<string>;
}

/** Makes the images of all tasks, each saved, and its path printed, as soon as it is done. */
export async function runTasks(pipeline: Pipeline, tasks: readonly Task[], options: RunOptions, io: Io): Promise<void> {
  await removeLeftoversOf(tasks);
  const work: Work[] = [];
  // One after the other: a batch may have more images than a process may open files.
  for (const task of tasks) work.push(await findFinished(task, pipeline, options));
  if (!options.metadata && work.some(({ skipped }) => skipped.size > 0)) warn(io, TAKEN_AS_THEY_ARE);
  const steps = work.map(({ images, skipped, request }) => (images.length - skipped.size) * request.steps);
  const progress = new Progress(
    io,
    steps.reduce((sum, count) => sum + count, 0),
  );
  const report = new Report(options.json, pipeline.backend, io);
  try {
    for (const task of work) await runTask(pipeline, task, options, io, progress, report);
  } finally {
    progress.clear();
  }
}

/** What runs that were killed left beside the images of this one. */
async function removeLeftoversOf(tasks: readonly Task[]): Promise<void> {
  const paths = tasks.flatMap(({ images }) => images.map(({ path }) => path)).filter((path) => path !== TO_STDOUT);
  for (const folder of new Set(paths.map((path) => dirname(path)))) await removeLeftovers(folder, processOfPreview);
}

const TAKEN_AS_THEY_ARE =
  'with --no-metadata nothing in a file says what it shows, so every image that is there already is left as it is';

async function findFinished(task: Task, { model }: Pipeline, { metadata }: RunOptions): Promise<Work> {
  const { request } = task;
  const skipped = new Set<string>();
  for (const { seed, path } of task.line === null ? [] : task.images) {
    if (await isFinished(path, { request, seed, modelHashes: model.hashes, metadata })) skipped.add(path);
  }
  return { ...task, skipped };
}

async function runTask(
  pipeline: Pipeline,
  task: Work,
  options: RunOptions,
  io: Io,
  progress: Progress,
  report: Report,
): Promise<void> {
  const { images, line, skipped } = task;
  for (const [index, image] of images.entries()) {
    if (skipped.has(image.path)) {
      report.skipped(task, image);
      continue;
    }
    const where = [line !== null && `line ${line}`, images.length > 1 && `image ${index + 1} of ${images.length}`];
    const label = [...where, `seed ${image.seed}`].filter(Boolean).join(', ');
    const onStep = () => progress.step(label);
    const { result, replaced } = await makeImage(pipeline, task, image, options, io, onStep);
    progress.clear();
    report.written(task, image, result, replaced);
  }
}

async function makeImage(
  pipeline: Pipeline,
  { request, naming }: Task,
  { seed, path }: { seed: number; path: string },
  { metadata }: RunOptions,
  io: Io,
  onStep: () => void,
): Promise<{ result: GenerateResult; replaced: boolean }> {
  const toStdout = path === TO_STDOUT;
  if (!toStdout) await prepareFile(path);
  const preview = request.previewEvery > 0 && !toStdout ? new PreviewFile(path) : null;
  try {
    const result = await pipeline.generate({
      ...optionsOfRequest(request, seed),
      signal: io.signal,
      onStep: (event) => {
        if (event.preview) preview?.show(event.preview);
        onStep();
      },
    });
    const replaced = !toStdout && existsSync(path);
    const [image] = result.images;
    if (toStdout) io.stdout.write(await image.toBuffer(naming.format, { metadata }));
    else await image.toFile(path, { format: naming.format, metadata });
    return { result, replaced };
  } finally {
    await preview?.remove();
  }
}
