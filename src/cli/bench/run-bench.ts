import { availableParallelism } from 'node:os';
import { closeSubjects, openSubjects } from '../../bench/open-subjects.js';
import { renderHtml } from '../../bench/report/html.js';
import { type BenchContext, makeReport } from '../../bench/report/report.js';
import { emptyLog, runRounds, type SubjectLog } from '../../bench/run.js';
import { prepareFile, writeFileAtomic } from '../../files.js';
import { describeMachine } from '../../pipeline/machine.js';
import { cappedThreads } from '../../pipeline/threads.js';
import { printable } from '../../printable.js';
import { installedPython } from '../../python/environment.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { loadPipeline } from '../load-pipeline.js';
import { type BenchPlan, planBench } from './plan.js';
import { printReport } from './print-report.js';
import { BenchStatus } from './status.js';

/** The handler of `t2i bench`. What was measured is printed also where it ends before its end. */
export async function runBench(input: CommandInput, io: Io): Promise<number> {
  const plan = await planBench(input, io);
  if (plan.html !== null) await prepareFile(plan.html);
  const python = plan.against && (plan.python ?? (await installedPython(io.signal)));
  // The same number on both sides; the SDK alone leaves it to its runtime.
  const wanted = plan.load.threads ?? (python === null ? undefined : availableParallelism());
  const threads = cappedThreads(wanted).threads ?? null;
  const date = new Date().toISOString();
  const status = new BenchStatus(io);
  status.show('loading');
  const { subjects, skipped } = await openSubjects({
    ...plan,
    load: { ...plan.load, ...(wanted !== undefined && { threads: wanted }) },
    open: (options) => loadPipeline(options, io),
    diffusers: python === null ? null : { python, threads: threads as number },
    signal: io.signal,
  }).finally(() => status.clear());
  const logs = subjects.map(emptyLog);
  const context = { ...plan, date, machine: describeMachine(), threads, preset: plan.options.preset ?? null, skipped };
  let complete = false;
  try {
    await runRounds(logs, { rounds: plan.rounds, signal: io.signal, onProgress: status.update });
    complete = true;
    return EXIT.ok;
  } finally {
    status.clear();
    await closeSubjects(subjects);
    if (logs.some(({ draws }) => draws.length > 0)) await publish({ ...context, complete }, logs, plan, input, io);
  }
}

async function publish(
  context: BenchContext,
  logs: readonly SubjectLog[],
  { html }: BenchPlan,
  { flags }: CommandInput,
  io: Io,
): Promise<void> {
  const report = makeReport(context, logs);
  printReport(report, flags.json === true, io);
  if (html === null) return;
  await writeFileAtomic(html, Buffer.from(renderHtml(report)));
  io.stderr.write(`wrote ${printable(html)}\n`);
}
