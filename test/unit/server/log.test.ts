import { describe, expect, it } from 'vitest';
import { createLog } from '../../../src/server/log.js';

describe('the log', () => {
  it('has lines of JSON that say when and how bad, and nothing of the machine', () => {
    const lines: string[] = [];
    const log = createLog({ write: (line) => void lines.push(line) });
    log.warn({ model: 'm' }, 'look');
    expect(JSON.parse(lines[0] as string)).toEqual({
      ...{ level: 'warn', model: 'm', msg: 'look' },
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
  });

  it('does nothing to a terminal with texts of others', () => {
    const lines: string[] = [];
    const log = createLog({ write: (line) => void lines.push(line) });
    log.info({ prompt: 'a \u001b[31m\u202e', negativePrompt: 'b \u009b' }, 'completed');
    const { prompt, negativePrompt } = JSON.parse(lines[0] as string);
    expect([prompt, negativePrompt]).toEqual([expect.stringMatching(/^a \S+$/), expect.stringMatching(/^b \S+$/)]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(prompt + negativePrompt).not.toMatch(/[\u001b\u202e\u009b]/);
  });

  it('is nowhere where nobody wants it', () => {
    const log = createLog(undefined);
    for (const level of ['info', 'warn', 'error'] as const) expect(() => log[level]({}, 'look')).not.toThrow();
    expect((log as unknown as { isLevelEnabled(level: string): boolean }).isLevelEnabled('error')).toBe(false);
  });

  it('tells an error of Redis without the arguments of its command, which are texts of requests', () => {
    const lines: string[] = [];
    const log = createLog({ write: (line) => void lines.push(line) });
    const command = { name: 'evalsha', args: ['a canary of a prompt'] };
    const error = Object.assign(new Error('OOM command not allowed'), { name: 'ReplyError', command });
    log.error({ order: 'one', err: error }, 'failed');
    expect(JSON.parse(lines[0] as string)).toMatchObject({
      level: 'error',
      err: { message: error.message, stack: error.stack },
    });
    expect(lines.join()).not.toContain('canary');
  });
});
