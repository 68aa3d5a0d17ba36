import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { REMEDIES } from '../../../docs/remedies.mjs';
import { renderCli, renderErrors } from '../../../docs/render.mjs';
import { renderPydantic } from '../../../docs/render-pydantic.mjs';
import { COMMANDS } from '../../../src/cli/commands.js';
import { EXIT_LIST } from '../../../src/cli/exit-codes.js';
import { ERROR_CODES } from '../../../src/errors.js';
import { paramsJsonSchema } from '../../../src/ops/params/json-schema.js';
import { renderTemplate } from '../../../src/ops/params/template.js';

const file = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

describe('the generated files', () => {
  it.each([
    ['docs/cli.md', renderCli(COMMANDS, EXIT_LIST)],
    ['docs/errors.md', renderErrors(ERROR_CODES, REMEDIES)],
    ['templates/project/params.yaml.template', renderTemplate()],
    ['trainer/params.schema.json', paramsJsonSchema()],
    ['trainer/t2i_trainer/params.py', renderPydantic(paramsJsonSchema())],
  ])('%s says what the code says', (name, rendered) => {
    expect(file(name), `${name} is stale: run \`npm run docs\``).toBe(rendered);
  });

  it('would not pass with a command more or a code less', () => {
    const command = { ...(COMMANDS[0] as (typeof COMMANDS)[number]), name: 'new-one' };
    expect(renderCli([...COMMANDS, command], EXIT_LIST)).not.toBe(file('docs/cli.md'));
    const { CLOSED: _, ...codes } = ERROR_CODES;
    expect(renderErrors(codes, REMEDIES)).not.toBe(file('docs/errors.md'));
  });
});
