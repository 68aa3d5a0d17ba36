import type { Probe } from '../../backends/backend.js';
import { BACKENDS } from '../../backends/select.js';
import { T2IError } from '../../errors.js';
import { loadSharp } from '../../image/sharp.js';
import { describeMachine } from '../../pipeline/machine.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { printJson } from '../output.js';
import { readModel } from '../read-model.js';
import { inspectGpu } from './gpu-report.js';
import { type DoctorReport, type ModelReport, printReport, printSelfCheck } from './print-report.js';
import { type SelfCheck, selfCheck } from './self-check/self-check.js';

/** The handler of `t2i doctor`. */
export async function runDoctor({ flags }: CommandInput, io: Io): Promise<number> {
  const { inspection, report: gpu } = await inspectGpu();
  const report: DoctorReport = {
    machine: describeMachine(),
    model: await findDefaultModel(io),
    imageFiles: await probeSharp(),
    backends: await probeAll(),
    gpu,
  };
  const json = flags.json === true;
  if (!json) printReport(report, io);
  const result = flags.gpu === true ? await selfCheck(inspection, io) : null;
  if (json) {
    const { machine, ...found } = report;
    printJson(io, { ...machine, ...found, ...(result && { selfCheck: result }) });
  } else if (result) printSelfCheck(result, io);
  return result ? verdict(result) : exitOf(report);
}

function exitOf({ backends, imageFiles, model }: DoctorReport): number {
  if (!imageFiles.available || !backends.some(({ available }) => available)) return EXIT.device;
  return model.found ? EXIT.ok : EXIT.model;
}

function verdict(result: SelfCheck): number {
  if (!result.measured) return EXIT.device;
  return result.checks.every(({ ok }) => ok) ? EXIT.ok : EXIT.failure;
}

function probeAll(): Promise<DoctorReport['backends']> {
  return Promise.all(BACKENDS.map(async (backend) => ({ name: backend.name, ...(await backend.probe()) })));
}

async function probeSharp(): Promise<Probe> {
  try {
    const { sharp, vips } = (await loadSharp()).versions;
    return { available: true, detail: `sharp ${sharp}, libvips ${vips}` };
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    return { available: false, reason: error.message, hint: error.hint ?? '' };
  }
}

async function findDefaultModel(io: Io): Promise<ModelReport> {
  try {
    const { dir } = await readModel(undefined, io);
    return { found: true, detail: dir };
  } catch (error) {
    if (!T2IError.is(error) || error.code === 'INTERNAL') throw error;
    return { found: false, detail: error.message, hint: error.hint };
  }
}
