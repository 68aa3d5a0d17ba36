import { findModel } from '../../hub/find-model.js';
import type { ModelDescription, ModelWeights } from '../../model/description.js';
import { describeModel } from '../../model/layout.js';
import { loadTokenizer } from '../../model/tokenizer.js';
import { weightsOf } from '../../pipeline/weights-of.js';
import { Pipeline } from '../../pipeline.js';
import type { ModelSource, ServerOptions } from '../options.js';
import type { ServedModel } from './served-model.js';

/** Weights are stored in half precision, and the CPU computes with twice the bytes. */
const OPEN_PER_STORED = 2;

/** Finds, reads and checks a model, by those of its files that the backend runs. */
export type Describe = (nameOrDir: string, weights: ModelWeights | undefined) => Promise<ModelDescription>;

const findAndDescribe: Describe = async (nameOrDir, weights) =>
  describeModel(await findModel(nameOrDir), undefined, undefined, weights);

/**
 * Reads the models of a server; none is opened yet.
 *
 * @throws what `describe` throws
 */
export async function findModels(
  sources: readonly ModelSource[],
  load: ServerOptions['load'] = {},
  describe: Describe = findAndDescribe,
): Promise<ServedModel[]> {
  const models: ServedModel[] = [];
  for (const source of sources) models.push(await findServed(source, load, describe));
  return models;
}

async function findServed(
  source: ModelSource,
  load: NonNullable<ServerOptions['load']>,
  describe: Describe,
): Promise<ServedModel> {
  if (typeof source === 'object' && 'pipeline' in source) {
    const { pipeline, id = pipeline.model.name } = source;
    const { model } = pipeline;
    return {
      ...{ id, model, tokenizer: await loadTokenizer(model), bytes: 0, closes: false },
      open: async () => pipeline,
    };
  }
  const model = await describe(typeof source === 'string' ? source : source.model, weightsOf(load.backend));
  let { backend } = load;
  return {
    id: typeof source === 'string' ? model.name : source.id,
    model,
    tokenizer: await loadTokenizer(model),
    bytes: OPEN_PER_STORED * Object.values(model.stamps).reduce((sum, { size }) => sum + size, 0),
    closes: true,
    // What was read at the start is what is opened, also where the files change meanwhile: the backend checks their stamps.
    async open(signal) {
      const pipeline = await Pipeline.loadWith(async () => model, { ...load, backend, signal });
      // Where its GPU is lost, a model that `auto` opened there would go on as slowly as the CPU draws, and nobody would know.
      backend = pipeline.backend.name;
      return pipeline;
    },
  };
}
