import { comparePixels } from '../../image/compare.js';
import type { ModelDescription } from '../../model/description.js';
import type { Request } from '../../options.js';
import type { Machine } from '../../pipeline/machine.js';
import type { SubjectLog } from '../run.js';
import { type Percentiles, percentiles, type Summary, summarise } from '../statistics.js';

/** Version of the JSON below. */
export const REPORT_VERSION = 1;

/** What was measured at one number of requests at once. */
export interface ConcurrencyReport {
  readonly requests: number;
  readonly imagesPerSecond: Summary;
  /** Milliseconds from sending all requests to each one's image. */
  readonly latencyMs: Percentiles & { readonly values: readonly number[] };
  /** Share of the requests that were turned away, 0 to 1; null where none can be. */
  readonly refusedShare: number | null;
  /** Milliseconds, the 99th percentile of each round; null where another program draws. */
  readonly eventLoopDelayMs: Summary | null;
}

/** What was measured of a subject; null is what was not, or not yet. Times are in milliseconds, memory is in bytes. */
export interface SubjectReport {
  readonly name: string;
  /** Runtime with its version, and the device. */
  readonly runsOn: string;
  /** What it warned of while it drew; sentences. */
  readonly warnings: readonly string[];
  readonly imageMs: Summary | null;
  readonly unetStepMs: Summary | null;
  /** Time of an image that no network ran, and its share of the image's time, 0 to 1. */
  readonly outsideNetworks: { readonly ms: Summary; readonly share: Summary } | null;
  /** Of a fresh process, from its start. */
  readonly firstImageMs: Summary | null;
  readonly loadMs: Summary | null;
  /** Peaks of that process and of its children. */
  readonly memory: { readonly process: Summary; readonly children: Summary | null } | null;
  readonly concurrency: readonly ConcurrencyReport[];
  /** How many times as long as the first subject's median. */
  readonly ratio: Readonly<Record<'image' | 'unetStep' | 'firstImage', number | null>>;
  /** How far its image is from the first subject's; `psnr` in dB, null where every byte is equal. */
  readonly difference: { readonly maxAbs: number; readonly meanAbs: number; readonly psnr: number | null } | null;
}

/** A benchmark: what was measured, of what, and where. */
export interface BenchReport {
  readonly version: typeof REPORT_VERSION;
  /** When it began, ISO 8601. */
  readonly date: string;
  readonly machine: Machine;
  /** Processor threads that each subject was given; null where its runtime chose. */
  readonly threads: number | null;
  readonly model: { readonly name: string; readonly hashes: ModelDescription['hashes'] };
  readonly request: {
    readonly prompt: string;
    readonly seed: number;
    readonly preset: string | null;
    readonly steps: number;
    readonly guidanceScale: number;
    readonly sampler: string;
    readonly width: number;
    readonly height: number;
  };
  /** Rounds that were asked for, and whether all of them were measured. */
  readonly rounds: number;
  readonly complete: boolean;
  /** The first one is what the ratios refer to. */
  readonly subjects: readonly SubjectReport[];
  /** Backends that cannot run here. */
  readonly skipped: readonly { readonly name: string; readonly reason: string; readonly hint: string }[];
}

/** What a report says besides the measurements. */
export interface BenchContext
  extends Pick<BenchReport, 'date' | 'machine' | 'threads' | 'rounds' | 'complete' | 'skipped'> {
  readonly model: ModelDescription;
  readonly request: Request;
  readonly preset: string | null;
}

export function makeReport(context: BenchContext, logs: readonly SubjectLog[]): BenchReport {
  const { date, machine, threads, model, request, preset, rounds, complete, skipped } = context;
  const { prompt, seeds, steps, guidanceScale, sampler, width, height } = request;
  const subjects = logs.map((log) => measuredOf(log, steps));
  return {
    version: REPORT_VERSION,
    date,
    machine,
    threads,
    model: { name: model.name, hashes: model.hashes },
    request: { prompt, seed: seeds[0] as number, preset, steps, guidanceScale, sampler, width, height },
    rounds,
    complete,
    subjects: subjects.map((subject, place) => ({
      ...subject,
      ratio: {
        image: ratio(subject.imageMs, subjects[0]?.imageMs),
        unetStep: ratio(subject.unetStepMs, subjects[0]?.unetStepMs),
        firstImage: ratio(subject.firstImageMs, subjects[0]?.firstImageMs),
      },
      difference: place === 0 ? null : difference(logs[place]?.pixels, logs[0]?.pixels),
    })),
    skipped,
  };
}

function measuredOf({ subject, draws, firstImages }: SubjectLog, steps: number) {
  const single = draws.filter((draw) => requestsOf(draw) === 1).flatMap(({ images }) => images);
  const outside = single.flatMap(({ ms, networksMs }) => (networksMs === null ? [] : [{ ms, own: ms - networksMs }]));
  const ownMs = summarise(outside.map(({ own }) => own));
  const share = summarise(outside.map(({ ms, own }) => own / ms));
  const process = summarise(firstImages.map(({ memory }) => memory.process));
  return {
    name: subject.name,
    runsOn: subject.runsOn,
    warnings: [...subject.warnings],
    imageMs: summarise(single.map(({ ms }) => ms)),
    unetStepMs: summarise(single.flatMap(({ unetMs }) => (unetMs === null ? [] : [unetMs / steps]))),
    outsideNetworks: ownMs && share && { ms: ownMs, share },
    firstImageMs: summarise(firstImages.map(({ ms }) => ms)),
    loadMs: summarise(firstImages.map(({ loadMs }) => loadMs)),
    memory: process && { process, children: summarise(firstImages.flatMap(({ memory }) => memory.children ?? [])) },
    concurrency: subject.concurrency.flatMap((requests) => concurrencyOf(requests, draws)),
  };
}

/** Empty where nothing was measured yet. */
function concurrencyOf(requests: number, all: SubjectLog['draws']): ConcurrencyReport[] {
  const draws = all.filter((draw) => requestsOf(draw) === requests);
  const values = draws.flatMap(({ images }) => images.map(({ ms }) => ms));
  const imagesPerSecond = summarise(draws.map(({ wallMs, images }) => (images.length * 1000) / wallMs));
  const latency = percentiles(values);
  if (imagesPerSecond === null || latency === null) return [];
  const eventLoopDelayMs = summarise(draws.flatMap(({ eventLoopDelayMs }) => eventLoopDelayMs ?? []));
  const refused = draws.flatMap((draw) => draw.refused ?? []);
  const refusedShare =
    refused.length === 0 ? null : refused.reduce((sum, count) => sum + count, 0) / (requests * draws.length);
  return [{ requests, imagesPerSecond, latencyMs: { ...latency, values }, refusedShare, eventLoopDelayMs }];
}

/** Requests that were sent at once. */
function requestsOf({ images, refused = 0 }: SubjectLog['draws'][number]): number {
  return images.length + refused;
}

function ratio(own: Summary | null, first: Summary | null | undefined): number | null {
  return own && first ? own.median / first.median : null;
}

function difference(own: SubjectLog['pixels'] = null, first: SubjectLog['pixels'] = null): SubjectReport['difference'] {
  const found = own && first && comparePixels(own, first);
  if (found === null) return null;
  const { maxAbs, meanAbs, psnr } = found;
  return { maxAbs, meanAbs, psnr: Number.isFinite(psnr) ? psnr : null };
}
