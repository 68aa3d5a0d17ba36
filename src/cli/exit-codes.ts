import { type ErrorCode, T2IError } from '../errors.js';
import { Interrupted } from './io.js';

/** What the program ends with. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  model: 3,
  device: 4,
  network: 5,
  sighup: 129,
  sigint: 130,
  sigterm: 143,
} as const;

const MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'Done.',
  failure: 'Failed; also: `verify` found a different image, `data check` errors, `doctor --gpu` a check that failed.',
  usage: 'The command line is wrong; nothing was done.',
  model: 'The model or an engine is missing, invalid or inaccurate, or the model is worse than the one before.',
  device: 'The backend or the device cannot do it, TensorRT could not build an engine, or memory ran out.',
  network: 'A server could not be reached, refused, or sent what was not announced.',
  sighup: 'Ended by SIGHUP, as when a terminal is closed.',
  sigint: 'Interrupted (Ctrl-C).',
  sigterm: 'Ended by SIGTERM.',
};

/** Every exit code with its meaning, for help and docs. */
export const EXIT_LIST = (Object.keys(EXIT) as (keyof typeof EXIT)[]).map(
  (name) => [EXIT[name], MEANINGS[name]] as const,
);

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  OPTION_INVALID: EXIT.usage,
  MODEL_NOT_FOUND: EXIT.model,
  MODEL_INVALID: EXIT.model,
  ENGINE_INVALID: EXIT.model,
  ENGINE_INACCURATE: EXIT.model,
  EVALUATION_WORSE: EXIT.model,
  PYTHON_UNAVAILABLE: EXIT.device,
  BACKEND_UNAVAILABLE: EXIT.device,
  CODEC_UNAVAILABLE: EXIT.device,
  BACKEND_FAILED: EXIT.device,
  BACKEND_CRASHED: EXIT.device,
  ENGINE_BUILD_FAILED: EXIT.device,
  DEVICE_LOST: EXIT.device,
  OUT_OF_MEMORY: EXIT.device,
  NETWORK_FAILED: EXIT.network,
  ACCESS_DENIED: EXIT.network,
  REMOTE_NOT_FOUND: EXIT.network,
  REMOTE_CONFLICT: EXIT.network,
  REMOTE_REFUSED: EXIT.network,
  DOWNLOAD_INVALID: EXIT.network,
};

const BY_SIGNAL = { SIGINT: EXIT.sigint, SIGTERM: EXIT.sigterm, SIGHUP: EXIT.sighup } as const;

/** The exit code for what a command threw; an interruption outweighs what it caused. */
export function exitCode(error: unknown, signal: AbortSignal): number {
  if (signal.aborted) {
    const { reason } = signal;
    return reason instanceof Interrupted ? BY_SIGNAL[reason.signal] : EXIT.sigint;
  }
  return (T2IError.is(error) && BY_CODE[error.code]) || EXIT.failure;
}
