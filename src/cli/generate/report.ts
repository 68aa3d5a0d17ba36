import type { BackendReport, GenerateResult } from '../../pipeline/events.js';
import { printable } from '../../printable.js';
import type { Io } from '../io.js';
import { printJson, warn } from '../output.js';
import { formatSeconds } from '../quantities.js';
import { TO_STDOUT } from './naming.js';
import type { Task } from './tasks.js';

type Image = Task['images'][number];

/** Tells of each image as soon as it is done: its path, or with JSON all about it, on standard output, the rest on standard error. */
export class Report {
  readonly #json: boolean;
  readonly #backend: BackendReport;
  readonly #io: Io;
  /** Each warning is told once in a run. */
  readonly #warned = new Set<string>();

  constructor(json: boolean, backend: BackendReport, io: Io) {
    this.#json = json;
    this.#backend = backend;
    this.#io = io;
  }

  /** An image that an earlier run has made. */
  skipped(task: Task, image: Image): void {
    if (this.#json) this.#print(task, image, { skipped: true, warnings: [] });
    else this.#io.stderr.write(`${printable(image.path)} is there already\n`);
  }

  /** @param replaced whether a file of that name was there before */
  written(task: Task, image: Image, { timings, warnings, backend }: GenerateResult, replaced: boolean): void {
    const { path, seed } = image;
    for (const { message } of warnings) this.#warn(task.line === null ? message : `line ${task.line}: ${message}`);
    if (this.#json) this.#print(task, image, { skipped: false, timings, warnings });
    else if (path !== TO_STDOUT) this.#io.stdout.write(`${printable(path)}\n`);
    const what = path === TO_STDOUT ? 'an image to standard output' : printable(path);
    const details = `seed ${seed}, ${formatSeconds(timings.total / 1000)}, ${backend.name}`;
    this.#io.stderr.write(`${replaced ? 'replaced' : 'wrote'} ${what} (${details})\n`);
  }

  #warn(text: string): void {
    if (!this.#warned.has(text)) warn(this.#io, text);
    this.#warned.add(text);
  }

  #print({ request, line }: Task, { path, seed }: Image, rest: Record<string, unknown>): void {
    const { prompt, width, height } = request;
    const { name, runtime, tried } = this.#backend;
    const at = line === null ? {} : { line };
    const backend = { name, runtime, tried };
    printJson(this.#io, { file: path, ...at, prompt, seed, width, height, ...rest, backend });
  }
}
