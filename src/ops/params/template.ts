import { stringify } from 'yaml';
import type { z } from 'zod';
import { PARAMS, type Params } from './schema.js';

const COLUMN = 44;

/** Every section and key with its default and its description, as the text of params.yaml.template. */
export function renderTemplate(): string {
  const defaults = PARAMS.parse({});
  const sections = Object.keys(PARAMS.shape).map((name) => renderSection(name as keyof Params, defaults));
  return `# Parameters of this project, for t2i and DVC. Copy to params.yaml, which git ignores, and change what is yours there.
# Lists may also be written as text with commas. Secrets do not belong here: DVC copies parameters into dvc.lock. They come
# from the environment or .env (see .env.example).

${sections.join('\n')}`;
}

function renderSection(name: keyof Params, defaults: Params): string {
  const schema: z.ZodType = PARAMS.shape[name];
  const fields: Readonly<Record<string, z.ZodType>> = PARAMS.shape[name].unwrap().shape;
  const values = defaults[name] as Readonly<Record<string, unknown>>;
  const lines = Object.entries(fields).map(([key, field]) => {
    const text = `  ${key}: ${stringify(values[key], { collectionStyle: 'flow', lineWidth: 0 }).trim()}`;
    return `${text.padEnd(COLUMN)}  # ${field.description}`;
  });
  return `# ${schema.description}\n${name}:\n${lines.join('\n')}\n`;
}
