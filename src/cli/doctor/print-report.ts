import type { Probe } from '../../backends/backend.js';
import { hasBf16 } from '../../backends/engines.js';
import type { Machine } from '../../pipeline/machine.js';
import type { Io } from '../io.js';
import { paint, type Row, table } from '../output.js';
import { formatBytes } from '../quantities.js';
import { driverUse } from './driver-use.js';
import type { FoundLibrary, GpuReport } from './gpu-report.js';
import type { SelfCheck } from './self-check/self-check.js';

export interface ModelReport {
  readonly found: boolean;
  /** Its directory, or why there is none. */
  readonly detail: string;
  readonly hint?: string | undefined;
}

export interface DoctorReport {
  readonly machine: Machine;
  readonly model: ModelReport;
  /** What reads and writes image files. */
  readonly imageFiles: Probe;
  readonly backends: readonly ({ readonly name: string } & Probe)[];
  readonly gpu: GpuReport;
}

/** Everything that was found, a line each, with what helps below what is missing. */
export function printReport({ machine, model, imageFiles, backends, gpu }: DoctorReport, io: Io): void {
  const row = rowsFor(io);
  io.stdout.write(
    table([
      ['t2i', machine.t2i],
      ['node', machine.node],
      ['platform', machine.platform],
      ['processor', machine.cpu],
      ['memory', `${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
      model.found ? row.ok('default model', model.detail) : row.no('default model', model.detail, model.hint),
      probeRow('image files', imageFiles, row),
      ...backends.map((backend) => probeRow(`backend ${backend.name}`, backend, row)),
      'reason' in gpu.addon
        ? row.no('native addon', gpu.addon.reason, gpu.addon.hint)
        : row.ok('native addon', `${gpu.addon.path} ${gpu.addon.version}`),
      ...deviceRows(gpu, row),
      ...libraryRows(gpu, row),
      cacheRow(gpu, row),
    ]),
  );
}

function cacheRow({ engines }: GpuReport, row: Rows): Row {
  if ('reason' in engines) return row.no('engine cache', engines.reason, engines.hint);
  return ['engine cache', `${engines.dir}\n${engines.files} engines, ${formatBytes(engines.bytes)}`];
}

/** The self-check, a line each. */
export function printSelfCheck(result: SelfCheck, io: Io): void {
  const row = rowsFor(io);
  if (!result.measured) {
    io.stdout.write(table([row.no('self-check', `not measured on hardware: ${result.reason}`, result.hint)]));
    return;
  }
  const checks = result.checks.map(({ name, ok, detail, hint }) =>
    ok ? row.ok(`check ${name}`, detail) : row.failed(`check ${name}`, detail, hint),
  );
  io.stdout.write(table([['checked on', result.device], ...checks]));
}

type Rows = ReturnType<typeof rowsFor>;

function rowsFor(io: Io) {
  const mark = (word: string, good: boolean) => paint(io, io.stdout, good ? 'green' : 'red', word);
  const withHint = (text: string, hint: string | undefined) => (hint ? `${text}\nhelp: ${hint}` : text);
  return {
    ok: (label: string, text: string): Row => [label, text, mark('ok', true)],
    no: (label: string, reason: string, hint?: string): Row => [label, withHint(reason, hint), mark('no', false)],
    failed: (label: string, text: string, hint?: string): Row => [label, withHint(text, hint), mark('failed', false)],
  };
}

function probeRow(label: string, probe: Probe, row: Rows): Row {
  return probe.available ? row.ok(label, probe.detail) : row.no(label, probe.reason, probe.hint);
}

function deviceRows({ devices }: GpuReport, row: Rows): Row[] {
  if (devices === null) return [];
  const { driver, runtime, available, reason, hint } = devices;
  const versions = `${driverUse(driver)}; addon built with CUDA ${runtime ?? 'unknown'}`;
  const gpus = devices.devices.map((device): Row => {
    const { index, name, computeCapability, memoryBytes } = device;
    const capability = `${computeCapability}${hasBf16(device) ? '' : ' (no bf16)'}`;
    return [`gpu ${index}`, `${name}, compute capability ${capability}, ${formatBytes(memoryBytes)}`];
  });
  return [available ? row.ok('cuda', versions) : row.no('cuda', reason, hint), ...gpus];
}

function libraryRows({ libraries }: GpuReport, row: Rows): Row[] {
  if ('reason' in libraries) return [row.no('tensorrt', libraries.reason, libraries.hint)];
  if (libraries.length === 0) return [row.no('tensorrt', 'none was found', INSTALL)];
  return libraries.map((library) => libraryRow(library, row));
}

const INSTALL = 'Install TensorRT, for example by `pip install tensorrt`; docs/gpu.md lists the ways.';

function libraryRow(library: FoundLibrary, row: Rows): Row {
  const { kind, version, path, canBuild, notes, reason, problem, hint } = library;
  if (problem !== null) return row.no('tensorrt', problem, hint ?? undefined);
  const what = `${version} (${kind}, ${canBuild ? 'builds and runs engines' : 'runs engines'}) ${path}`;
  const unused = library.chosen ? [] : [`not used: ${reason}`];
  const text = [what, ...unused, ...notes].join('\n');
  return library.chosen ? row.ok('tensorrt', text) : ['tensorrt', text];
}
