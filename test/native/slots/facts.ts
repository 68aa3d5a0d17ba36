import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const NATIVE = fileURLToPath(new URL('../../../native', import.meta.url));

/** A slot that a version does not have. */
export const NO_SLOT = -1;

/** Names and numbers of NVIDIA's binary interface. */
export type Facts = ReadonlyMap<string, number>;

/** What native/tensorrt/interfaces.h says. */
export interface OurFacts {
  readonly ten: Facts;
  readonly eleven: Facts;
  /** For each slot, NVIDIA's class and method. */
  readonly methods: ReadonlyMap<string, { readonly class: string; readonly method: string }>;
}

function compileAndRun(source: string, flags: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 't2i-slots-'));
  try {
    const program = join(folder, 'program');
    execFileSync('g++', [...flags, `-I${NATIVE}`, join(HERE, source), '-o', program], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return execFileSync(program, { encoding: 'utf8' }).trim().split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function ourFacts(): OurFacts {
  const ten = new Map<string, number>();
  const eleven = new Map<string, number>();
  const methods = new Map<string, { class: string; method: string }>();
  for (const line of compileAndRun('ours.cc', ['-std=c++17', '-Wall', '-Wextra', '-Werror'])) {
    const [name = '', value = ''] = line.split(' ');
    const [, major, fact = ''] = /^(?:(10|11|method):)?(.*)$/.exec(name) ?? [];
    if (major === 'method') {
      const path = value.split('::');
      methods.set(fact, { class: path.at(-2) ?? '', method: path.at(-1) ?? '' });
      continue;
    }
    if (major !== '11') ten.set(fact, Number(value));
    if (major !== '10') eleven.set(fact, Number(value));
  }
  return { ten, eleven, methods };
}

/**
 * What the headers in `include` say.
 *
 * @param cuda folder with a cuda_runtime_api.h
 */
export function factsOfHeaders(include: string, cuda: string): Facts {
  const facts = new Map<string, number>();
  for (const line of compileAndRun('theirs.cc', ['-std=c++20', '-w', `-I${include}`, `-I${cuda}`])) {
    const [name = '', value = ''] = line.split(' ');
    const before = facts.get(name);
    if (before !== undefined && before !== Number(value)) throw new Error(`${name} is both ${before} and ${value}`);
    facts.set(name, Number(value));
  }
  return facts;
}

/** What differs, one sentence each; `allowMissing` are slots that this flavour of TensorRT does not have. */
export function differences(ours: Facts, theirs: Facts, allowMissing: readonly string[] = []): string[] {
  const found: string[] = [];
  for (const [name, value] of ours) {
    const their = theirs.get(name);
    if (value === NO_SLOT || (their === undefined && allowMissing.includes(name))) continue;
    if (their !== value) found.push(`${name} is ${their ?? 'missing'}, interfaces.h says ${value}`);
  }
  return found;
}
