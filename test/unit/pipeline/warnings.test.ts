import { describe, expect, it } from 'vitest';
import type { Request } from '../../../src/options.js';
import { warningsOf } from '../../../src/pipeline/warnings.js';
import { memoryPipeline } from '../../support/memory-session.js';

const ids = new Int32Array(16);

describe('the warnings of a prompt with characters that the vocabulary lacks', () => {
  const warnings = (known: number, unknown: string[], learnt?: string, prompt = 'a xyz') =>
    warningsOf(
      { prompt, negativePrompt: '', guidanceScale: 3 } as Request,
      { prompt: { ids, tokens: 4, lost: null, known, unknown }, negative: null, distilled: false },
      learnt,
    );

  it('quote its words, each once', () => {
    expect(warnings(1, ['xyz', 'q', 'xyz'])).toEqual([
      { code: 'PROMPT_WORDS_UNKNOWN', message: expect.stringContaining('"xyz", "q"') },
    ]);
  });

  it('say that it has no word where none is known', () => {
    expect(warnings(0, ['xyz']).map(({ code }) => code)).toEqual(['PROMPT_UNKNOWN']);
    expect(warnings(2, [])).toEqual([]);
  });

  it('quote the words that training never used, where the model lists those it used', () => {
    const learnt = 'a apple on red';
    expect(warnings(5, [], learnt, 'A red Zeppelin on a zeppelin, ÉTÉ')).toEqual([
      { code: 'PROMPT_WORDS_UNKNOWN', message: expect.stringContaining('was not trained on "zeppelin", "été"; ') },
    ]);
    expect(warnings(5, [], learnt, 'a red apple, on 2 apple')).toEqual([]);
    expect(warnings(0, ['xyz'], learnt).map(({ code }) => code)).toEqual(['PROMPT_UNKNOWN']);
  });
});

describe('a pipeline', () => {
  it.each(['🍎', '?!', '🍎 🍏 ...'])('warns that %s says nothing to the model', async (prompt) => {
    const { pipeline } = memoryPipeline();
    expect((await pipeline.generate({ prompt, seed: 1, steps: 1 })).warnings).toEqual([
      { code: 'PROMPT_UNKNOWN', message: expect.stringContaining(JSON.stringify(prompt)) },
    ]);
  });

  it.each(['', ' ', '\n\t'])('warns that %j is no prompt', async (prompt) => {
    const { pipeline } = memoryPipeline();
    expect((await pipeline.generate({ prompt, seed: 1, steps: 1 })).warnings).toEqual([
      { code: 'PROMPT_EMPTY', message: 'The prompt is empty, so the images may show anything' },
    ]);
  });

  it.each(['a', '7', 'a red apple 🍎', 'яблоко', 'x'.repeat(500)])('does not say so of %j', async (prompt) => {
    const { pipeline } = memoryPipeline();
    const codes = (await pipeline.generate({ prompt, seed: 1, steps: 1 })).warnings.map(({ code }) => code);
    expect(codes.filter((code) => code !== 'PROMPT_CUT')).toEqual([]);
  });
});
