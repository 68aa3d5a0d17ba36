import { z } from 'zod';
import { PARAMS } from './schema.js';

/** The JSON Schema of resolved parameters, from which the trainer's own check of them is made. */
export function paramsJsonSchema(): string {
  return `${JSON.stringify(z.toJSONSchema(PARAMS, { io: 'output' }), null, 1)}\n`;
}
