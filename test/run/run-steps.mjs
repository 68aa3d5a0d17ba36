import { spawn } from 'node:child_process';

const HEARTBEAT_MS = 20_000;

/**
 * @typedef {{ passed: number, failed: number, skipped: number, skippedNames?: string[] }} Counts
 * @typedef {{ skip: string } | { command: string[], cwd?: string, env?: Record<string, string> }} Action
 * @typedef {object} Step
 * @property {string} name
 * @property {(done: Map<string, StepResult>) => Action} action what to do, decided when its turn comes
 * @property {boolean} [quiet] show its output only when it fails
 * @property {number} [missingToolCode] exit code that means "a tool is missing", with the reason as its last line; then
 *   a command that does not exist means the same
 * @property {() => Counts} [counts] reads the test counts that it left
 * @typedef {{ name: string, status: 'ok' | 'failed' | 'skipped', seconds: number, reason?: string, output: string, counts?: Counts }} StepResult
 */

/**
 * Runs the steps one after another; a failed step does not stop those after it.
 *
 * @param {Step[]} steps
 * @param {(line: string) => void} print
 * @returns {Promise<StepResult[]>}
 */
export async function runSteps(steps, print) {
  /** @type {Map<string, StepResult>} */
  const done = new Map();
  for (const step of steps) {
    print(`\n▶ ${step.name}`);
    const result = await runStep(step, done, print);
    done.set(step.name, result);
    const why = result.reason ? `: ${result.reason}` : '';
    print(`${result.status === 'ok' ? '✓' : '✗'} ${step.name} ${result.status}${why} (${result.seconds.toFixed(0)} s)`);
  }
  return [...done.values()];
}

async function runStep(step, done, print) {
  const action = step.action(done);
  if ('skip' in action) return { name: step.name, status: 'skipped', reason: action.skip, seconds: 0, output: '' };
  const start = performance.now();
  const { code, output } = await execute(action, step, print);
  const result = { name: step.name, seconds: (performance.now() - start) / 1000, output };
  if (step.missingToolCode !== undefined && (code === step.missingToolCode || code === 'ENOENT')) {
    return { ...result, status: 'skipped', reason: output.trim().split('\n').at(-1) };
  }
  const counts = step.counts?.();
  if (code === 0) return { ...result, status: 'ok', counts };
  if (step.quiet) print(output.trimEnd());
  return { ...result, status: 'failed', reason: `${action.command.join(' ')} ended with ${code}`, counts };
}

/** Runs a command; standard output is collected, both streams are shown unless the step is quiet. */
function execute({ command, cwd, env }, { name, quiet }, print) {
  const [file, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (stream) => (chunk) => {
      output += chunk;
      if (!quiet) stream.write(chunk);
    };
    child.stdout.on('data', collect(process.stdout));
    child.stderr.on('data', collect(process.stderr));
    const start = performance.now();
    const heartbeat = setInterval(
      () => quiet && print(`  … ${name}, ${((performance.now() - start) / 1000).toFixed(0)} s`),
      HEARTBEAT_MS,
    );
    const finish = (code) => {
      clearInterval(heartbeat);
      resolve({ code, output });
    };
    child.on('error', (error) => {
      output += error.code === 'ENOENT' ? `${file} is not installed\n` : `${error.message}\n`;
      finish(error.code);
    });
    child.on('close', (code, signal) => finish(code ?? signal));
  });
}
