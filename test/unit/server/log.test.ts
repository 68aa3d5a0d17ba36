import { describe, expect, it } from 'vitest';
import { createLog } from '../../../src/server/log.js';

describe('the log', () => {
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
