import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { asCode } from '../../../../src/server/page/browser/as-code.js';
import { requestOf, type Settings } from '../../../../src/server/page/browser/settings.js';
import { noPosix, skipFor } from '../../../support/skip-for.js';

const settings: Settings = {
  prompt: 'a red apple',
  negativePrompt: '',
  model: 'emoji-128',
  width: 128,
  height: 96,
  steps: 30,
  guidanceScale: 3.5,
  sampler: 'ddim',
  sigmas: null,
  eta: null,
  seed: 7,
};
const SERVER = 'http://127.0.0.1:8080/';

/** What a program is given as arguments when a shell runs the code, with that program and those behind it replaced. */
function argumentsOf(code: string, program: string): string[] {
  const stubs = `${program}() { printf '%s\\0' "$@"; }; jq() { cat; }; base64() { cat; }; cd "$(mktemp -d)";`;
  const script = `${stubs} ${code.replace('> image.png', '')}`;
  const env = { ...process.env, T2I_API_KEY: 'secret' };
  return execFileSync('sh', ['-c', script], { env }).toString().split('\0').slice(0, -1);
}

const nasty = fc
  .string({ unit: fc.oneof(fc.constantFrom("'", '"', '\\', '$', '`', '\n', '-', '!', ' ', '*'), fc.string()) })
  .filter((text) => !/\p{Cs}/u.test(text) && !text.includes('\0') && text !== '');

describe('settings as code', skipFor(noPosix), () => {
  it('ask the server by curl, with every text as it was', () => {
    fc.assert(
      fc.property(nasty, (prompt) => {
        const words = argumentsOf(asCode('curl', { ...settings, prompt }, SERVER, false), 'curl');
        expect(words.slice(0, 5)).toEqual([
          '-s',
          `${SERVER}v1/images/generations`,
          '-H',
          'Content-Type: application/json',
          '-d',
        ]);
        expect(JSON.parse(words[5] as string)).toEqual(requestOf({ ...settings, prompt }, 1));
      }),
      { numRuns: 25 },
    );
  });

  it('send the key that the shell knows, which is not written down', () => {
    const code = asCode('curl', settings, SERVER, true);
    expect(argumentsOf(code, 'curl')).toContain('Authorization: Bearer secret');
    expect(asCode('curl', settings, SERVER, false)).not.toContain('Authorization');
  });

  it('call the command line, with every text as it was', () => {
    fc.assert(
      fc.property(nasty, nasty, (prompt, negativePrompt) => {
        const code = asCode('CLI', { ...settings, prompt, negativePrompt, sigmas: 'karras', eta: 0.5 }, SERVER, false);
        expect(argumentsOf(code, 'npx')).toEqual([
          ...['t2i', 'generate', `--negative=${negativePrompt}`, '--model=emoji-128', '--size=128x96', '--steps=30'],
          ...['--guidance=3.5', '--sampler=ddim', '--sigmas=karras', '--eta=0.5', '--seed=7', '--output=image.png'],
          ...['--', prompt],
        ]);
      }),
      { numRuns: 25 },
    );
  });

  it('call the SDK, with every text as it was', async () => {
    await fc.assert(
      fc.asyncProperty(nasty, nasty, async (prompt, negativePrompt) => {
        const { model, sigmas, eta, ...rest } = { ...settings, prompt, negativePrompt };
        const code = asCode('TypeScript', { ...settings, prompt, negativePrompt }, SERVER, false);
        const body = ts.transpile(code.replace(/^import .*\n/, ''), { target: ts.ScriptTarget.ES2022 });
        const calls: unknown[] = [];
        const images = [{ toFile: async (path: string) => calls.push(path) }];
        const generate = async (options: unknown) => {
          calls.push(options);
          return { images };
        };
        const load = async (options: unknown) => {
          calls.push(options);
          return { generate, close: async () => {} };
        };
        await new Function('Pipeline', `return (async () => {${body}})()`)({ load });
        expect(calls).toEqual([{ model }, rest, 'image.png']);
      }),
      { numRuns: 25 },
    );
  });
});
