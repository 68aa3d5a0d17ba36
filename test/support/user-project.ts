import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { parse, stringify } from 'yaml';
import { OPS } from './moto.js';
import { pythonOf } from './python.js';
import { STAGES } from './stages.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const T2I = join(ROOT, 'bin/t2i.mjs');
/** The environment of the trainer. */
export const TRAINER = pythonOf('trainer/requirements.lock');

/** A project as a user has it: `flowers`, with DVC on the path, and t2i installed in the folder above, beside images and tiny models. */
export class UserProject {
  readonly root = mkdtempSync(join(tmpdir(), 't2i-project-'));
  readonly folder = join(this.root, 'flowers');
  /** All that commands said. */
  said = '';
  /** Of commands, besides that of the tests. */
  env: Readonly<Record<string, string>>;
  readonly #common: NodeJS.ProcessEnv;

  constructor(env: Readonly<Record<string, string>>) {
    this.env = env;
    execFileSync(TRAINER.python, [join(ROOT, 'test/ops/tiny_project.py'), this.root], { stdio: 'pipe' });
    const bin = join(this.root, 'node_modules/.bin');
    mkdirSync(bin, { recursive: true });
    const program = `#!/bin/sh\nexec ${JSON.stringify(process.execPath)} ${JSON.stringify(T2I)} "$@"\n`;
    writeFileSync(join(bin, 't2i'), program);
    chmodSync(join(bin, 't2i'), 0o755);
    writeFileSync(join(this.root, 'package.json'), '{"name": "user", "version": "1.0.0"}');
    const PATH = [process.env.T2I_TEST_PATH, dirname(process.execPath), dirname(OPS.python), process.env.PATH]
      .filter((folder) => folder !== undefined)
      .join(delimiter);
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
    this.#common = { ...clean, PATH, DVC_NO_ANALYTICS: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  }

  /** Runs a line of shell. */
  async sh(line: string, { cwd = this.folder, env = {} }: { cwd?: string; env?: Record<string, string> } = {}) {
    const options = { cwd, env: { ...this.#common, ...this.env, ...env }, maxBuffer: 2 ** 26 };
    const { code, stdout, stderr } = await promisify(execFile)('sh', ['-c', line], options).then(
      (done) => ({ ...done, code: 0 }),
      (failed) => failed as { code: number; stdout: string; stderr: string },
    );
    this.said += stdout + stderr;
    return { status: code, output: stdout + stderr, stdout };
  }

  /** Runs a line of shell that is to succeed; returns all that it said. */
  async ok(line: string, options?: Parameters<UserProject['sh']>[1]): Promise<string> {
    const { status, output } = await this.sh(line, options);
    expect(status, `${line}\n${output}`).toBe(0);
    return output;
  }

  /** What a command of t2i says as JSON. */
  async json(line: string) {
    const { status, output, stdout } = await this.sh(`npx --no -- t2i ${line} --json`);
    expect(status, `${line}\n${output}`).toBe(0);
    return JSON.parse(stdout);
  }

  /** Runs `dvc repro`; returns the stages that ran. */
  async repro(): Promise<string[]> {
    const output = await this.ok('dvc repro');
    return STAGES.filter((stage) => output.includes(`Running stage '${stage}'`));
  }

  /** Changes parameters. */
  write(changes: object): void {
    const path = join(this.folder, 'params.yaml');
    writeFileSync(path, stringify(merge(parse(readFileSync(path, 'utf8')), changes)));
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8');
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

function merge(base: Record<string, unknown>, changes: object): Record<string, unknown> {
  const merged = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const inner = base[key];
    const both = typeof inner === 'object' && inner !== null && !Array.isArray(inner) && !Array.isArray(value);
    merged[key] = both && typeof value === 'object' ? merge(inner as Record<string, unknown>, value) : value;
  }
  return merged;
}
