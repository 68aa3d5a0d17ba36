import { withoutUndefined } from '../fields.js';
import type { LoadOptions } from '../options.js';
import type { CommandInput, Flag } from './command.js';

/** Flags of every command that opens a model. */
export const LOAD_FLAGS: readonly Flag[] = [
  {
    flags: '--model <dir|name>',
    description: 'model directory, name of a model that ships, or OWNER/NAME of the Hub (default: the default model)',
    sets: ['model'],
  },
  {
    flags: '--backend <name>',
    description: 'auto, tensorrt, onnxruntime or pytorch (default: auto, the best of the first two that runs here)',
    sets: ['backend'],
    values: ['auto', 'tensorrt', 'onnxruntime', 'pytorch'],
  },
  {
    flags: '--python <path>',
    description: "interpreter with PyTorch, for --backend pytorch (default: the trainer's)",
    sets: ['python'],
  },
  { flags: '--device <n>', description: 'GPU to use (default: 0)', sets: ['device'] },
  {
    flags: '--isolation <where>',
    description: 'none, or process: run the GPU in a process that is started again after a crash (default: none)',
    sets: ['isolation'],
    values: ['none', 'process'],
  },
  { flags: '--strict', description: 'make every fallback an error', sets: ['strict'] },
  { flags: '--threads <n>', description: 'processor threads to use (default: the runtime decides)', sets: ['threads'] },
];

/** The options of `Pipeline.load` among the flags. */
export function readLoadFlags(flags: CommandInput['flags']): LoadOptions {
  const { model, backend, python, isolation, strict } = flags;
  const [device, threads] = [toNumber(flags.device), toNumber(flags.threads)];
  return withoutUndefined({ model, backend, python, device, isolation, strict, threads }) as LoadOptions;
}

/** The number that the text writes in decimal, else the text itself, for the check behind to refuse by name. */
export function toNumber(text: unknown): unknown {
  return typeof text === 'string' && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}
