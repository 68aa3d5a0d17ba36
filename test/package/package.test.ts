import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeBlocks } from '../support/markdown.js';
import { noLinuxX64, skipFor } from '../support/skip-for.js';
import { InstalledPackage } from './installed-package.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TINY = join(ROOT, 'test/fixtures/tiny');

let installed: InstalledPackage;

beforeAll(() => {
  installed = InstalledPackage.install();
}, 300_000);

afterAll(() => installed?.remove());

describe('the packed package', { timeout: 300_000 }, () => {
  it('holds what runs and what a reader needs, and nothing else', () => {
    const paths = installed.files().map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining([
        'package.json',
        'LICENSE',
        'CHANGELOG.md',
        'bin/t2i.mjs',
        'dist/index.js',
        'dist/index.d.ts',
        'dist/cli/process.js',
        'dist/server/page/browser/index.html',
        'dist/server/page/browser/main.js',
        'dist/server/page/browser/page.css',
        'dist/backends/onnxruntime/child.js',
        'docs/cli.md',
        'trainer/requirements.lock',
        ...['streamlit_app.py', 'gradio_app.py', 't2i_client.py', 'requirements.txt', '.streamlit/config.toml'].map(
          (name) => `apps/${name}`,
        ),
      ]),
    );
    const strange = paths.filter(
      (path) =>
        !/^(dist|bin|models|prebuilds|trainer|templates|apps|docs)\/|^[A-Z]+(\.md)?$|^package\.json$/.test(path),
    );
    expect(strange).toEqual([]);
    // Nobody can import from there.
    expect(paths.filter((path) => /^dist\/(cli|ops)\/.*\.d\.ts$/.test(path))).toEqual([]);
    expect(paths.filter((path) => /tests?\/|\.test\.|__pycache__|\.pyc|tsbuildinfo|_cache/.test(path))).toEqual([]);
  });

  it('is at most 60 MB of model, 180 MB of CPU runtime, 2 MB of addon and 3 MB of everything else', () => {
    const size = (of: (path: string) => boolean) =>
      installed
        .files()
        .filter(({ path }) => of(path))
        .reduce((sum, file) => sum + file.size, 0);
    expect(size((path) => path.startsWith('models/'))).toBeLessThanOrEqual(60e6);
    expect(size((path) => path.startsWith('prebuilds/onnxruntime-node/'))).toBeLessThanOrEqual(180e6);
    expect(size((path) => /^prebuilds\/(?!onnxruntime-node)/.test(path))).toBeLessThanOrEqual(2e6);
    expect(size((path) => !/^(models|prebuilds)\//.test(path))).toBeLessThanOrEqual(3e6);
  });

  it('brings the CPU runtime of every platform that has one: the binding and its library', () => {
    const binaries = installed
      .files()
      .map(({ path }) => path.match(/^prebuilds\/onnxruntime-node\/bin\/napi-v\d+\/(.*)$/)?.[1])
      .filter((path) => path !== undefined);
    expect(binaries.sort()).toEqual([
      'darwin/arm64/libonnxruntime.1.dylib',
      'darwin/arm64/onnxruntime_binding.node',
      'linux/arm64/libonnxruntime.so.1',
      'linux/arm64/onnxruntime_binding.node',
      'linux/x64/libonnxruntime.so.1',
      'linux/x64/onnxruntime_binding.node',
      'win32/arm64/onnxruntime.dll',
      'win32/arm64/onnxruntime_binding.node',
      'win32/x64/onnxruntime.dll',
      'win32/x64/onnxruntime_binding.node',
    ]);
  });

  it('installs nothing that runs a script, so that the registry is all the network it needs', () => {
    const lock = readFileSync(join(installed.folder, 'node_modules/.package-lock.json'), 'utf8');
    const { packages } = JSON.parse(lock) as { packages: Record<string, { hasInstallScript?: boolean }> };
    const names = Object.keys(packages);
    expect(names).toContain('node_modules/@t2i/sdk');
    expect(names.filter((name) => packages[name]?.hasInstallScript)).toEqual([]);
  });

  it('says the version on the command line', () => {
    const { name, version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(installed.npm('exec', '--offline', '--', 't2i', '--version')).toBe(`${name} ${version}\n`);
  });

  it('can be imported without loading what is heavy', () => {
    const code = `
      const before = performance.now();
      const sdk = await import('@t2i/sdk');
      const loaded = process.report.getReport().sharedObjects.filter((path) => /onnxruntime|sharp|vips/.test(path));
      console.log(JSON.stringify({ names: Object.keys(sdk), loaded }));`;
    const { names, loaded } = JSON.parse(installed.node('--input-type=module', '-e', code));
    expect(names).toEqual(expect.arrayContaining(['Pipeline', 'T2IError', 'verifyImage', 'readReceipt']));
    expect(loaded).toEqual([]);
  });

  describe('to TypeScript with the settings of `tsc --init`', () => {
    const compilerOptions = {
      ...{ strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, verbatimModuleSyntax: true },
      ...{ noEmit: true, module: 'nodenext' },
    };
    const browser = { target: 'esnext', types: [] };
    const node = {
      ...{ target: 'es2022', lib: ['es2022'] },
      ...{ types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')] },
    };
    /** What the compiler says of modules, with the declarations of the package checked too. */
    const compile = (modules: readonly string[], libraries: object) => {
      const files = modules.map((_, index) => `user-${index}.ts`);
      for (const [index, name] of files.entries()) {
        writeFileSync(join(installed.folder, name), modules[index] as string);
      }
      const config = { compilerOptions: { ...compilerOptions, ...libraries }, files };
      writeFileSync(join(installed.folder, 'tsconfig.json'), JSON.stringify(config));
      const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
      return spawnSync(process.execPath, [compiler, '-p', installed.folder], { encoding: 'utf8' }).stdout;
    };

    it.each([
      ['of browsers', browser],
      ['of Node', node],
    ])('gives types, with the libraries %s', (_, libraries) => {
      const text = `
        import { type GenerateResult, Pipeline, T2IError } from '@t2i/sdk';
        export async function draw(sampler: string): Promise<GenerateResult> {
          await using t2i = await Pipeline.load({ backend: 'onnxruntime' });
          // @ts-expect-error a number is no prompt
          await t2i.generate({ prompt: 1 }).catch((error: unknown) => T2IError.is(error) && error.code === 'CLOSED');
          const onStep = ({ step, steps }: { step: number; steps: number }) => void (step / steps);
          return t2i.generate({ prompt: 'a red apple', seed: 7, n: 2, sampler, onStep });
        }
        export async function respond({ images: [image] }: GenerateResult): Promise<Response> {
          const headers = { 'content-type': image.mediaType };
          void new Blob([await image.toBuffer('webp'), image.rgb]);
          return new Response(await image.toBuffer(), { headers });
        }`;
      expect(compile([text], libraries)).toBe('');
    });

    // All in one program: reading the types takes most of the time.
    it('compiles the samples of the documentation', () => {
      const modules = ['README.md', 'docs/guide.md', 'docs/gpu.md', 'docs/bundlers.md'].flatMap((page) => {
        const samples = codeBlocks(readFileSync(join(ROOT, page), 'utf8'), 'ts');
        expect(samples.length, page).toBeGreaterThan(0);
        return samples.map((sample) => {
          const given = [
            `// ${page}`,
            ...(/\bPipeline\b.*from/.test(sample) ? [] : ["import { Pipeline } from '@t2i/sdk';"]),
            ...(/ t2i = /.test(sample) ? [] : ['declare const t2i: Pipeline;']),
            'declare function show(rgb: Uint8Array, width: number, height: number): void;',
          ];
          return [...given, sample].join('\n');
        });
      });
      expect(compile(modules, browser)).toBe('');
    });
  });

  it('generates an image', async () => {
    const argv = ['generate', 'a red apple', '--model', TINY, '--steps', '2', '-o', 'apple.png'];
    expect(installed.npm('exec', '--offline', '--', 't2i', ...argv)).toBe('apple.png\n');
    expect(readFileSync(join(installed.folder, 'apple.png')).subarray(1, 4).toString()).toBe('PNG');
  });

  it('makes a project, and brings the stages that train it', () => {
    installed.npm('exec', '--offline', '--', 't2i', 'init', 'flowers');
    const { status, stderr } = spawnSync(process.execPath, [installed.path('bin/t2i.mjs'), 'params', 'check'], {
      cwd: join(installed.folder, 'flowers'),
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, 'params.yaml is right\n']);
    expect(readdirSync(installed.path('trainer/stages'))).toEqual(
      readdirSync(join(ROOT, 'trainer/stages')).filter((name) => name.endsWith('.py')),
    );
  });

  it('generates an image with the model that it brings', () => {
    installed.npm('exec', '--offline', '--', 't2i', 'generate', 'a red apple', '--steps', '2', '-o', 'default.png');
    expect(readdirSync(installed.folder)).toContain('default.png');
  });

  it('finds out before it draws that sharp has no binary here, and says so in doctor', skipFor(noLinuxX64), () => {
    const [there, away] = ['node_modules/@img/sharp-linux-x64', 'away'].map((path) => join(installed.folder, path));
    renameSync(there as string, away as string);
    try {
      const drawing = installed.t2i('generate', 'a red apple', '--model', TINY, '--steps', '2', '-o', 'never.png');
      expect(drawing.status).toBe(4);
      expect(drawing.stderr).toMatch(/sharp.* cannot be loaded: .*\nhint: Run `npm install --include=optional sharp`/);
      const doctor = installed.t2i('doctor', '--json');
      expect(doctor.status).toBe(4);
      expect(JSON.parse(doctor.stdout)).toMatchObject({ imageFiles: { available: false }, model: { found: true } });
    } finally {
      renameSync(away as string, there as string);
    }
    expect(readdirSync(installed.folder)).not.toContain('never.png');
    expect(JSON.parse(installed.t2i('doctor', '--json').stdout)).toMatchObject({ imageFiles: { available: true } });
  });
});
