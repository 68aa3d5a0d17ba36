import type { Pixels } from '../image/encode.js';
import type { PeakMemory } from './memory.js';

/** How long one image took, in milliseconds. */
export interface ImageTimes {
  /** From the moment all requests were sent until this one's image was there. */
  readonly ms: number;
  /** All forwards of the UNet; on a GPU the whole denoising loop; null where nobody counts them. */
  readonly unetMs: number | null;
  /** All forwards of all networks; null where nobody counts them. */
  readonly networksMs: number | null;
}

/** Requests that were sent at once. */
export interface Draw {
  /** Until the last image was there, in milliseconds. */
  readonly wallMs: number;
  /** Of the requests that were carried out. */
  readonly images: readonly ImageTimes[];
  /** Requests that were turned away because too many waited; absent where none can be. */
  readonly refused?: number;
  /** Of this process while it waited, in milliseconds, 99th percentile; null where the images were drawn elsewhere. */
  readonly eventLoopDelayMs: number | null;
  /** The image of the first request. */
  readonly pixels: Pixels;
}

/** The first image of a process that was started for it. */
export interface FirstImage {
  /** From the start of the program to the image, in milliseconds. */
  readonly ms: number;
  /** What `Pipeline.load` took of it. */
  readonly loadMs: number;
  readonly memory: PeakMemory;
}

/** Something that draws images and is measured: the SDK on one backend, or another library. */
export interface Subject {
  /** As the report's columns name it. */
  readonly name: string;
  /** Runtime with its version, and the device. */
  readonly runsOn: string;
  /** Images to draw before the first one that counts. */
  readonly warmups: number;
  /** Numbers of requests to send at once, ascending; 1 is always among them. */
  readonly concurrency: readonly number[];
  /** What it said of its images so far, for example that something ran otherwise than it was meant to; sentences. */
  readonly warnings: ReadonlySet<string>;
  draw(requests: number, signal: AbortSignal): Promise<Draw>;
  /** Null where that is not measured. */
  readonly firstImage: ((signal: AbortSignal) => Promise<FirstImage>) | null;
  close(): Promise<void>;
}
