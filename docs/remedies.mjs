// What to do about each error code: the last column of errors.md. A test asks for one line a code.

/** @satisfies {Readonly<Record<import('../src/errors.js').ErrorCode, string>>} */
export const REMEDIES = {
  OPTION_INVALID: 'Read `issues`: each names the option, what was expected and what came.',
  MODEL_NOT_FOUND: 'Give the path of a model directory, or the name of a packaged one; the hint names the nearest.',
  MODEL_INVALID: 'Export or copy the named file again; `t2i inspect DIR` shows what was read.',
  BACKEND_UNAVAILABLE: '`t2i doctor` says what was tried, why it failed and how to fix it; see [GPU](gpu.md).',
  CODEC_UNAVAILABLE:
    'Run `npm install --include=optional sharp` on the kind of machine that this runs on; with a bundler, see [Bundlers](bundlers.md).',
  BACKEND_FAILED:
    'Read the message: it quotes the runtime. A smaller size or batch helps where a shape is outside an engine.',
  BACKEND_CRASHED: 'Send the request again. If it comes back, run the model by another backend.',
  DEVICE_LOST:
    'Start a new process, or load with `isolation: "process"`, which does so for you; see [GPU](gpu.md#troubleshooting).',
  ENGINE_INVALID:
    'Remove the file (`t2i engines prune`) and build it again with `t2i build-engine`; never edit engines.',
  ENGINE_BUILD_FAILED: 'Read the message: it quotes TensorRT. Free memory, give a smaller profile, or run on the CPU.',
  ENGINE_INACCURATE: 'Build with the fp32 graph, or with another TensorRT; the engine was not kept.',
  OUT_OF_MEMORY: 'Fewer images at once, a smaller size, or a GPU with more memory; `nvidia-smi` shows who uses it.',
  QUEUE_FULL: 'Send it again when others are done; `maxQueue` of `Pipeline.load` is the limit.',
  CLOSED: 'Load a new pipeline; requests under way when one is closed end with this code.',
  IMAGE_INVALID: 'Check that the file is a whole PNG, JPEG or WebP.',
  RECEIPT_MISSING: 'The image was made elsewhere, without receipt, or a program removed it.',
  RECEIPT_INVALID: 'Make the image again, or read it with the version that wrote it.',
  BUDGET_EXCEEDED:
    'If you trust the file, raise the limit: `t2i verify FILE --max-work N`, or the option `maxWork`; the message says how much it takes.',
  PYTHON_UNAVAILABLE:
    'Install Python 3.11 or newer with its venv module, or give `--python` an interpreter that has the packages of trainer/requirements.lock.',
  DATA_INVALID: 'Read `issues`: each names a file or parameter; `t2i data check` lists all of them.',
  EVALUATION_WORSE:
    'Look at reports/evaluation.html, then go back (`t2i rollback`) or accept it (`t2i evaluate --accept REASON`); see [Promotion](promotion.md#the-gate).',
  CHECKPOINT_INVALID:
    'Start another run (`mlflow.run_name`), or put the parameters back that the checkpoint was made with.',
  TRAINING_DIVERGED:
    'Lower `training.unet_learning_rate`, or use another precision; the checkpoints are those before it happened.',
  STAGE_FAILED: 'Read the lines that the stage printed last; the same command goes on where it stopped.',
  NETWORK_FAILED: 'Check the address, the network and the proxy; the same command goes on where it stopped.',
  ACCESS_DENIED:
    'Set the token of an account that may do it (`HF_TOKEN`); a gated model also asks you to accept its terms.',
  REMOTE_NOT_FOUND: 'Check the name, the revision and the address; what is private needs a token.',
  REMOTE_CONFLICT: 'Look at what is there now, then run the command again.',
  REMOTE_REFUSED: 'Read what the server says; a proxy or a login page may have answered in its place.',
  DOWNLOAD_INVALID:
    'Run it again; if it comes back, the server or something on the way alters the files: do not use them.',
  DEPLOYMENT_FAILED: 'Read the log that the command printed, correct the folder, then publish it again.',
  JOB_FAILED:
    'The message quotes the job; `t2i jobs logs NAME` shows its log, and `t2i jobs resume NAME` goes on from its last checkpoint.',
  IO_FAILED: 'Check that the path exists, its permissions, and that the disk has space.',
  INTERNAL: 'Keep the message and the stack for whoever mends it. Another backend, size or sampler may get around it.',
};
