// Writes the generated pages next to this file, from what `npm run build` left in dist/.
import { writeFileSync } from 'node:fs';
import { COMMANDS } from '../dist/cli/commands.js';
import { EXIT_LIST } from '../dist/cli/exit-codes.js';
import { ERROR_CODES } from '../dist/errors.js';
import { paramsJsonSchema } from '../dist/ops/params/json-schema.js';
import { renderTemplate } from '../dist/ops/params/template.js';
import { REMEDIES } from './remedies.mjs';
import { renderCli, renderErrors } from './render.mjs';
import { renderPydantic } from './render-pydantic.mjs';

writeFileSync(new URL('cli.md', import.meta.url), renderCli(COMMANDS, EXIT_LIST));
writeFileSync(new URL('errors.md', import.meta.url), renderErrors(ERROR_CODES, REMEDIES));
writeFileSync(new URL('../templates/project/params.yaml.template', import.meta.url), renderTemplate());
writeFileSync(new URL('../trainer/params.schema.json', import.meta.url), paramsJsonSchema());
writeFileSync(new URL('../trainer/t2i_trainer/params.py', import.meta.url), renderPydantic(paramsJsonSchema()));
