import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { PARAMS } from '../../../src/ops/params/schema.js';
import { codeBlocks } from '../../support/markdown.js';
import { TINY_PROJECT } from '../../support/tiny-project.js';

it('the page of projects shows the parameters that the tests train with', () => {
  const page = readFileSync(new URL('../../../docs/projects.md', import.meta.url), 'utf8');
  const [shown = ''] = codeBlocks(page, 'yaml');
  expect(PARAMS.parse(parse(shown))).toEqual(PARAMS.parse(TINY_PROJECT));
});
