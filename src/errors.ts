/** Every code an error of this package can carry. Codes are stable: match on them, never on the text. */
export const ERROR_CODES = {
  OPTION_INVALID: 'An option of the request is unknown, of the wrong type or out of range.',
  MODEL_NOT_FOUND: 'No model directory of that name or path exists.',
  MODEL_INVALID: 'A file of the model directory is missing, damaged or contradicts another.',
  BACKEND_UNAVAILABLE: 'The backend cannot run on this machine.',
  CODEC_UNAVAILABLE: 'Image files can neither be read nor written on this machine: sharp cannot be loaded.',
  BACKEND_FAILED: 'The backend reported an error while it ran the model.',
  BACKEND_CRASHED: 'The process that ran the model ended unexpectedly; the next request starts a fresh one.',
  DEVICE_LOST: 'The GPU reported an error that it does not recover from; a new process can use it again.',
  ENGINE_INVALID: 'An engine file is damaged, or was built for another model, machine or TensorRT.',
  ENGINE_BUILD_FAILED: 'TensorRT could not build an engine from the model.',
  ENGINE_INACCURATE: 'The output of an engine differs too much from that of the model it was built from.',
  OUT_OF_MEMORY: 'The model or the request needs more memory than the device has.',
  QUEUE_FULL: 'As many requests as the pipeline takes are waiting already.',
  CLOSED: 'The pipeline or session was closed before or during the request.',
  IMAGE_INVALID: 'The file is no image that can be read, or is damaged.',
  RECEIPT_MISSING: 'The image carries no receipt.',
  RECEIPT_INVALID: 'The receipt of the image is damaged or of an unknown version.',
  BUDGET_EXCEEDED: 'Making the image of a receipt again takes more work than was allowed.',
  PYTHON_UNAVAILABLE: 'What runs the trainer, Python with its packages, is missing on this machine.',
  DATA_INVALID: 'Training data are missing, damaged or contradict the parameters.',
  EVALUATION_WORSE: 'A model measures worse than the one promoted before it, by more than is allowed.',
  CHECKPOINT_INVALID: 'A checkpoint cannot be continued: it is damaged, or was made with other parameters.',
  TRAINING_DIVERGED: 'The loss of a training is no number any more.',
  STAGE_FAILED: 'A stage of a project ended without saying why.',
  NETWORK_FAILED: 'A server could not be reached, or broke off or failed each time it was asked.',
  ACCESS_DENIED: 'A server does not let this account do what was asked: the token is missing, invalid or may not.',
  REMOTE_NOT_FOUND: 'What was asked for is not on the server, or not for this account.',
  REMOTE_CONFLICT: 'Something else changed on the server meanwhile, or is there already; nothing was replaced.',
  REMOTE_REFUSED: 'A server refused a request, or answered with something that cannot be its answer.',
  DOWNLOAD_INVALID:
    'What was downloaded, or is offered, is not what was announced or more than is allowed; it was not kept.',
  DEPLOYMENT_FAILED: 'What was published did not start.',
  JOB_FAILED: 'A training job on other machines failed or was stopped.',
  IO_FAILED: 'A file could not be read or written.',
  INTERNAL: 'A bug in this package; the stack says where.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** One thing that is wrong with a request or a configuration. */
export interface Issue {
  /** The option as the caller wrote it, for example `steps` or `scheduler_config.json: beta_end`. */
  readonly option: string;
  readonly expected: string;
  readonly received: string;
  /** What is wrong in words, where "expected this, received that" would say it badly. */
  readonly problem?: string;
}

export interface T2IErrorOptions {
  /** What to do about it: a command or a sentence. */
  hint?: string | undefined;
  cause?: unknown;
  /** Everything wrong with the request, not the first mistake alone. */
  issues?: readonly Issue[] | undefined;
}

const MARKER = Symbol.for('@t2i/sdk.error');

/** The one error class users meet. Recognise it with {@link T2IError.is}, which also works across copies of the package. */
export class T2IError extends Error {
  override readonly name: string = 'T2IError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly issues: readonly Issue[];
  readonly [MARKER] = true;

  constructor(code: ErrorCode, message: string, options: T2IErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.issues = options.issues ?? [];
  }

  static is(value: unknown): value is T2IError {
    return typeof value === 'object' && value !== null && (value as { [MARKER]?: unknown })[MARKER] === true;
  }
}

/** A broken promise inside this package, never the caller's mistake. The command line prints its stack; users' mistakes get none. */
export class T2IInternalError extends T2IError {
  override readonly name: string = 'T2IInternalError';

  constructor(message: string, options: T2IErrorOptions = {}) {
    super('INTERNAL', message, options);
  }
}

/** One issue in words, for example `steps: expected an integer from 1 to 1000, received 0`. */
export function describeIssue({ option, expected, received, problem }: Issue): string {
  return `${option}: ${problem ?? `expected ${expected}, received ${received}`}`;
}

/** Joins issues into the sentence that an `OPTION_INVALID` or `MODEL_INVALID` message ends with. */
export function describeIssues(issues: readonly Issue[]): string {
  return issues.map(describeIssue).join('; ');
}
