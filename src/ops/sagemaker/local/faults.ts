/** What goes wrong in the cloud, on demand; what has happened is taken off. */
export interface Faults {
  /** Takes the machines of a spot job away, the first time that a line of a host's log matches the first of these. */
  interruptAt: RegExp[];
  /** Takes them away at once, without SIGTERM. */
  withoutNotice: boolean;
  /** How often no machines are to be had. */
  capacity: number;
  /** Requests that are refused since there were too many. */
  throttle: number;
  /** Lines after which a host begins another log stream; 0 for never. */
  linesOfStream: number;
  /** Requests whose answer is lost after they were carried out. */
  lostAnswers: number;
}

export function noFaults(): Faults {
  return { interruptAt: [], withoutNotice: false, capacity: 0, throttle: 0, linesOfStream: 0, lostAnswers: 0 };
}
