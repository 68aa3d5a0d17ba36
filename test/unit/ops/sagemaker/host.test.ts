import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { noPosix, skipFor } from '../../../support/skip-for.js';

const HOST = fileURLToPath(new URL('../../../../dist/ops/sagemaker/local/host.js', import.meta.url));

it('a container ends with the process that runs it, however that one ends', skipFor(noPosix), async () => {
  const root = mkdtempSync(join(tmpdir(), 't2i-host-'));
  const pid = join(root, 'pid');
  const job = {
    AlgorithmSpecification: {
      ContainerEntrypoint: ['/bin/bash'],
      ContainerArguments: ['-c', 'trap "" TERM HUP; echo $$ > pid.tmp; mv pid.tmp pid; while true; do sleep 1; done'],
    },
  };
  const options = { name: 'algo-1', hosts: ['algo-1'], root, job, env: { PATH: process.env.PATH }, imageCommand: [] };
  const program = `const { Host } = await import(${JSON.stringify(HOST)});
    await new Host({ ...${JSON.stringify(options)}, onLine() {} }).run();`;
  const runner = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
  await until(() => existsSync(pid));
  const container = Number(readFileSync(pid, 'utf8'));
  expect(isAlive(container)).toBe(true);
  runner.kill('SIGKILL');
  await once(runner, 'exit');
  await until(() => !isAlive(container));
  rmSync(root, { recursive: true });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that has ended and that nobody has waited for yet.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 20));
}
