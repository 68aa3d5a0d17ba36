import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A shared library that is none of NVIDIA's but exports functions of theirs. */
export interface MadeUp {
  readonly soname: string;
  /** What getInferLibVersion returns; no such function where it is left out. */
  readonly version?: number;
  /** Reads the version from memory, so that no constant can be found in the code. */
  readonly hideVersion?: boolean;
  /** More exported functions, which return null. */
  readonly functions?: readonly string[];
  /** Runs when the library is loaded. */
  readonly onLoad?: string;
  /** Name of a library that is needed and exists nowhere. */
  readonly needs?: string;
}

export const RUNTIME = 'createInferRuntime_INTERNAL';
export const BUILDER = 'createInferBuilder_INTERNAL';
export const PARSER = 'createNvOnnxParser_INTERNAL';

/** Compiles a library into `folder`, under `name` or its soname. */
export function makeLibrary(folder: string, library: MadeUp, name = library.soname): string {
  const { soname, version, hideVersion = false, functions = [], onLoad, needs } = library;
  const scratch = mkdtempSync(join(tmpdir(), 't2i-library-'));
  try {
    const lines = [
      '#include <stdio.h>',
      version === undefined ? '' : `volatile int version = ${version};`,
      version === undefined ? '' : `int getInferLibVersion(void) { return ${hideVersion ? 'version' : version}; }`,
      ...functions.map((name) => `void* ${name}(void) { return 0; }`),
      onLoad === undefined ? '' : `__attribute__((constructor)) static void on_load(void) { ${onLoad} }`,
      needs === undefined ? '' : 'void needed(void); void use(void) { needed(); }',
    ];
    const source = join(scratch, 'library.c');
    writeFileSync(source, lines.join('\n'));
    const shared = ['-shared', '-fPIC', '-O1', '-x', 'c'];
    if (needs !== undefined) {
      const stub = join(scratch, 'stub.c');
      writeFileSync(stub, 'void needed(void) {}');
      execFileSync('g++', [...shared, `-Wl,-soname,${needs}`, stub, '-o', join(scratch, needs)]);
    }
    const path = join(folder, name);
    const link = needs === undefined ? [] : ['-x', 'none', join(scratch, needs)];
    execFileSync('g++', [...shared, `-Wl,-soname,${soname}`, source, ...link, '-o', path]);
    return path;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
