import { T2IError } from '../../errors.js';
import { unknownOption } from '../../fields.js';
import type { ModelDescription } from '../../model/description.js';
import type { RequestLimits } from '../../options.js';
import { limitsOf } from '../../pipeline/limits.js';
import type { Pipeline } from '../../pipeline.js';
import { didYouMean } from '../../suggest.js';
import type { ClipTokenizer } from '../../text/clip-tokenizer.js';
import { refusal } from '../http/refusal.js';

/** A model that clients may name. Which there are is settled at the start: no request can add one, by path or by address. */
export interface ServedModel {
  readonly id: string;
  readonly model: ModelDescription;
  readonly tokenizer: ClipTokenizer;
  /** Bytes that it should take while it is open. */
  readonly bytes: number;
  open(signal: AbortSignal): Promise<Pipeline>;
  /** Whether who opens it closes it; false where the pipeline is the caller's own. */
  readonly closes: boolean;
}

/** What a model may be called in requests and addresses. */
const MODEL_ID = /^[A-Za-z0-9][\w.-]{0,95}$/;

/** The models of a server, by their ids; the first is the default. */
export class ServedModels {
  readonly #byId: ReadonlyMap<string, ServedModel>;

  /** @throws T2IError OPTION_INVALID for an id that cannot be one, or of two models */
  constructor(models: readonly ServedModel[]) {
    this.#byId = new Map(models.map((each) => [each.id, each]));
    const bad = models.find(({ id }) => !MODEL_ID.test(id));
    const twice = models.find((each) => this.#byId.get(each.id) !== each);
    if (bad === undefined && twice === undefined) return;
    const [id, why] = bad
      ? [bad.id, 'is no id of a model: letters, digits, dots, dashes and underscores, 96 at most']
      : [twice?.id as string, 'is the id of two models'];
    throw new T2IError('OPTION_INVALID', `model: ${JSON.stringify(id)} ${why}`, { hint: 'Name it as ID=MODEL.' });
  }

  get all(): readonly ServedModel[] {
    return [...this.#byId.values()];
  }

  get ids(): readonly string[] {
    return [...this.#byId.keys()];
  }

  /**
   * @param id undefined for the first
   * @throws Refusal model_not_found
   */
  find(id: string | undefined): ServedModel {
    const found = id === undefined ? this.all[0] : this.#byId.get(id);
    if (found !== undefined) return found;
    const problem = `no such model here${didYouMean(id ?? '', this.ids)}`;
    throw refusal('model_not_found', `model: ${problem}`, {
      issues: [{ ...unknownOption('model', this.ids), received: JSON.stringify(id), problem }],
    });
  }
}

export function limitsOfServed({ model }: ServedModel): RequestLimits {
  return limitsOf(model);
}
