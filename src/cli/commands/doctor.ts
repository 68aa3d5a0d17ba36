import { cpus, totalmem } from 'node:os';
import type { Backend, Probe } from '../../backends/backend.js';
import { T2IError } from '../../errors.js';
import { type Command, JSON_FLAG } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { paint, printJson, table } from '../output.js';

interface ModelReport {
  readonly found: boolean;
  /** Its directory, or why there is none. */
  readonly detail: string;
  readonly hint?: string | undefined;
}

export const doctor: Command = {
  name: 'doctor',
  summary: 'Say which backends can run here, why the others cannot and which command helps.',
  arguments: [],
  flags: [JSON_FLAG],
  examples: ['t2i doctor', 't2i doctor --json'],
  async run({ flags }, io) {
    const { BACKENDS } = await import('../../backends/select.js');
    const backends = await Promise.all(BACKENDS.map(probe));
    const model = await findDefaultModel();
    const machine = {
      t2i: (await import('../../pipeline/package-version.js')).packageVersion(),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      cpu: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
      memoryBytes: totalmem(),
    };
    if (flags.json) printJson(io, { ...machine, model, backends });
    else printReport(io, machine, model, backends);
    if (!backends.some(({ available }) => available)) return EXIT.device;
    return model.found ? EXIT.ok : EXIT.model;
  },
};

async function probe(backend: Backend): Promise<{ name: string } & Probe> {
  return { name: backend.name, ...(await backend.probe()) };
}

async function findDefaultModel(): Promise<ModelReport> {
  const [{ describeModel }, { resolveModel }] = await Promise.all([
    import('../../model/layout.js'),
    import('../../model/resolve.js'),
  ]);
  try {
    const { dir } = await describeModel(await resolveModel());
    return { found: true, detail: dir };
  } catch (error) {
    if (!T2IError.is(error) || error.code === 'INTERNAL') throw error;
    return { found: false, detail: error.message, hint: error.hint };
  }
}

function printReport(
  io: Io,
  machine: { t2i: string; node: string; platform: string; cpu: string; memoryBytes: number },
  model: ModelReport,
  backends: readonly ({ name: string } & Probe)[],
): void {
  const mark = (good: boolean) => paint(io, io.stdout, good ? 'green' : 'red', good ? 'ok' : 'no');
  io.stdout.write(
    table([
      ['t2i', machine.t2i],
      ['node', machine.node],
      ['platform', machine.platform],
      ['processor', machine.cpu],
      ['memory', `${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
      ['default model', withHint(`${mark(model.found)}  ${model.detail}`, model.hint)],
      ...backends.map((backend): [string, string] => [
        `backend ${backend.name}`,
        backend.available
          ? `${mark(true)}  ${backend.detail}`
          : withHint(`${mark(false)}  ${backend.reason}`, backend.hint),
      ]),
    ]),
  );
}

function withHint(text: string, hint: string | undefined): string {
  return hint ? `${text}\nhelp: ${hint}` : text;
}
