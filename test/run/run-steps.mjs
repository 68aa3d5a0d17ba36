import { spawn } from 'node:child_process';

const HEARTBEAT_MS = 20_000;
/** What starting a command ends with that is in no folder of the PATH; the second where one of the folders cannot be searched. */
const NOT_FOUND = new Set(['ENOENT', 'EACCES']);
/** Steps at a time: one that computes beside one that waits, or two that use one core each. */
const SLOTS = 2;

/**
 * @typedef {{ name: string, reason?: string | undefined }} SkippedTest
 * @typedef {{ name: string, message?: string | undefined }} FailedTest
 * @typedef {{ passed: number, failed: FailedTest[], skipped: SkippedTest[], parts?: { name: string, seconds: number }[] }} Counts
 * @typedef {{ skip: string } | { command: string[], cwd?: string, env?: Record<string, string> }} Action
 * @typedef {object} Step
 * @property {string} name
 * @property {string[]} [after] names of steps that must have ended before, in whatever way
 * @property {(done: Map<string, StepResult>) => Action} action what to do, decided when its turn comes
 * @property {boolean} [live] show its output as it comes, not only when it fails
 * @property {number} [missingToolCode] exit code that means "a tool is missing", with the reason as its last line; then
 *   a command that does not exist means the same
 * @property {() => Counts | undefined} [counts] reads the test counts that it left
 * @typedef {{ name: string, status: 'ok' | 'failed' | 'skipped', seconds: number, reason?: string, output: string, counts?: Counts }} StepResult
 */

/**
 * Runs the steps, two at a time, each as soon as those that it comes after have ended; a failed step does not stop the others.
 *
 * @param {Step[]} steps
 * @param {(line: string) => void} print
 * @returns {Promise<StepResult[]>} in the order of the steps
 */
export async function runSteps(steps, print) {
  /** @type {Map<string, StepResult>} */
  const done = new Map();
  /** @type {Map<string, { since: number, ended: Promise<void> }>} */
  const running = new Map();
  const waiting = [...steps];
  const heartbeat = setInterval(() => print(`  … ${describe(running)}`), HEARTBEAT_MS);
  try {
    while (waiting.length + running.size > 0) {
      const index = waiting.findIndex(({ after = [] }) => after.every((name) => done.has(name)));
      if (index >= 0 && running.size < SLOTS) {
        const [step] = waiting.splice(index, 1);
        print(`▶ ${step.name}`);
        const ended = runStep(step, done, print).then((result) => {
          done.set(step.name, result);
          running.delete(step.name);
          const why = result.reason ? `: ${result.reason}` : '';
          const mark = result.status === 'ok' ? '✓' : '✗';
          print(`${mark} ${step.name} ${result.status}${why} (${result.seconds.toFixed(0)} s)`);
        });
        running.set(step.name, { since: performance.now(), ended });
      } else {
        if (running.size === 0)
          throw new Error(`steps that wait for one that is not there: ${waiting.map(({ name }) => name)}`);
        await Promise.race([...running.values()].map(({ ended }) => ended));
      }
    }
  } finally {
    clearInterval(heartbeat);
  }
  return steps.map(({ name }) => /** @type {StepResult} */ (done.get(name)));
}

function describe(running) {
  return [...running]
    .map(([name, { since }]) => `${name}, ${((performance.now() - since) / 1000).toFixed(0)} s`)
    .join('; ');
}

async function runStep(step, done, print) {
  const action = step.action(done);
  if ('skip' in action) return { name: step.name, status: 'skipped', reason: action.skip, seconds: 0, output: '' };
  const start = performance.now();
  const { code, output } = await execute(action, step);
  const result = { name: step.name, seconds: (performance.now() - start) / 1000, output };
  if (step.missingToolCode !== undefined && (code === step.missingToolCode || NOT_FOUND.has(code))) {
    return { ...result, status: 'skipped', reason: output.trim().split('\n').at(-1) };
  }
  const counts = step.counts?.();
  if (code === 0) return { ...result, status: 'ok', counts };
  if (!step.live) print(output.trimEnd());
  return { ...result, status: 'failed', reason: `${action.command.join(' ')} ended with ${code}`, counts };
}

/** Runs a command and collects both of its streams. */
function execute({ command, cwd, env }, { live }) {
  const [file, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (stream) => (chunk) => {
      output += chunk;
      if (live) stream.write(chunk);
    };
    for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', collect(process[name]));
    child.on('error', (error) => {
      output += NOT_FOUND.has(error.code) ? `${file} is not installed\n` : `${error.message}\n`;
      resolve({ code: error.code, output });
    });
    child.on('close', (code, signal) => resolve({ code: code ?? signal, output }));
  });
}
