import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { REMEDIES } from '../../../docs/remedies.mjs';
import { renderCli, renderErrors } from '../../../docs/render.mjs';
import { COMMANDS } from '../../../src/cli/commands.js';
import { EXIT_LIST } from '../../../src/cli/exit-codes.js';
import { ERROR_CODES } from '../../../src/errors.js';

const page = (name: string) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');

describe('the generated pages', () => {
  it.each([
    ['cli.md', renderCli(COMMANDS, EXIT_LIST)],
    ['errors.md', renderErrors(ERROR_CODES, REMEDIES)],
  ])('%s says what the code says', (name, rendered) => {
    expect(page(name), `docs/${name} is stale: run \`npm run docs\``).toBe(rendered);
  });

  it('would not pass with a command more or a code less', () => {
    const command = { ...(COMMANDS[0] as (typeof COMMANDS)[number]), name: 'new-one' };
    expect(renderCli([...COMMANDS, command], EXIT_LIST)).not.toBe(page('cli.md'));
    const { CLOSED: _, ...codes } = ERROR_CODES;
    expect(renderErrors(codes, REMEDIES)).not.toBe(page('errors.md'));
  });
});
