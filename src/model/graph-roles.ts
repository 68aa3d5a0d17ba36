import { MAX_SIDE } from '../request-limits.js';
import type { ElementType, TensorInfo, TensorType } from './description.js';
import type { OnnxValue } from './onnx-file.js';
import type { Problems } from './problems.js';

/** Element types by number of `TensorProto.DataType`. */
export const ELEMENT_TYPES: ReadonlyMap<number, ElementType> = new Map([
  [1, 'float32'],
  [6, 'int32'],
  [7, 'int64'],
  [10, 'float16'],
  [16, 'bfloat16'],
]);
const FLOATS: readonly TensorType[] = ['float32', 'float16'];
const INTEGERS: readonly TensorType[] = ['int32', 'int64'];

/** Largest sizes that a graph may fix: beyond every model, and small enough that one tensor fits in memory. */
const LARGEST = {
  batch: 256,
  channels: 1024,
  height: MAX_SIDE,
  width: MAX_SIDE,
  tokens: 4096,
  states: 16_384,
  'size of a state': 16_384,
} as const;
const MOST_ELEMENTS = 2 ** 28;
type Axis = keyof typeof LARGEST;

/** What an input or output is for: the names exporters give it, and the form that tells it where the name is another. */
export interface Role {
  readonly label: string;
  /** Best name first. */
  readonly names: readonly string[];
  readonly types: readonly TensorType[];
  /** Allowed numbers of dimensions. */
  readonly ranks: readonly number[];
  /** What its dimensions are of. */
  readonly axes: readonly Axis[];
}

const PLANE: readonly Axis[] = ['batch', 'channels', 'height', 'width'];
const STATES: readonly Axis[] = ['batch', 'states', 'size of a state'];

export const ROLES = {
  ids: { label: 'token ids', names: ['input_ids'], types: INTEGERS, ranks: [2], axes: ['batch', 'tokens'] },
  attentionMask: {
    label: 'attention mask',
    names: ['attention_mask'],
    types: [...INTEGERS, ...FLOATS],
    ranks: [2],
    axes: ['batch', 'tokens'],
  },
  states: {
    label: 'token states',
    names: ['last_hidden_state', 'hidden_states'],
    types: FLOATS,
    ranks: [3],
    axes: STATES,
  },
  sample: {
    label: 'noisy latents',
    names: ['sample', 'latents', 'latent_sample', 'x'],
    types: FLOATS,
    ranks: [4],
    axes: PLANE,
  },
  timestep: {
    label: 'timestep',
    names: ['timestep', 'timesteps', 't'],
    types: [...INTEGERS, ...FLOATS],
    ranks: [0, 1],
    axes: ['batch'],
  },
  encoderHiddenStates: {
    label: 'text states',
    names: ['encoder_hidden_states', 'context', 'text_embeddings'],
    types: FLOATS,
    ranks: [3],
    axes: STATES,
  },
  timestepCond: {
    label: 'guidance embedding',
    names: ['timestep_cond'],
    types: FLOATS,
    ranks: [2],
    axes: ['batch', 'size of a state'],
  },
  noise: {
    label: 'prediction',
    names: ['out_sample', 'noise_pred', 'sample', 'output'],
    types: FLOATS,
    ranks: [4],
    axes: PLANE,
  },
  latents: {
    label: 'latents',
    names: ['latent_sample', 'latents', 'latent', 'z', 'sample'],
    types: FLOATS,
    ranks: [4],
    axes: PLANE,
  },
  image: { label: 'image', names: ['sample', 'image', 'images', 'output'], types: FLOATS, ranks: [4], axes: PLANE },
} satisfies Record<string, Role>;

/**
 * Gives each role one value of a graph: by name first, then by type and rank where just one value is left that fits.
 * Values that no role takes are refused where `refuseRest` is set, since an input must be fed.
 * @returns null for roles that nothing fits; each is noted in `problems` unless it is among `optional`.
 */
export function assignRoles<Name extends string>(
  values: readonly OnnxValue[],
  roles: Readonly<Record<Name, Role>>,
  where: { readonly label: string; readonly refuseRest: boolean; readonly optional?: readonly NoInfer<Name>[] },
  problems: Problems,
): Record<Name, TensorInfo | null> {
  const names = Object.keys(roles) as Name[];
  const left = new Set(values);
  const found = new Map<Name, OnnxValue>();
  const take = (name: Name, value: OnnxValue | undefined) => {
    if (value === undefined) return;
    found.set(name, value);
    left.delete(value);
  };
  for (const name of names) {
    const known = roles[name].names.map((candidate) => [...left].find((value) => value.name === candidate));
    take(
      name,
      known.find((value) => value !== undefined),
    );
  }
  for (const name of names) {
    if (found.has(name) || where.optional?.includes(name)) continue;
    const fitting = [...left].filter((value) => fits(value, roles[name]));
    take(name, fitting.length === 1 ? fitting[0] : undefined);
  }
  if (where.refuseRest) {
    for (const value of left)
      problems.add(
        `${where.label} ${JSON.stringify(value.name)}`,
        'none but the inputs of a Stable Diffusion model',
        'one more, which must be given',
      );
  }
  const result = {} as Record<Name, TensorInfo | null>;
  for (const name of names) {
    const value = found.get(name);
    if (value !== undefined) result[name] = tensorInfo(value, roles[name], where.label, problems);
    else {
      result[name] = null;
      if (!where.optional?.includes(name)) {
        const received = values.map((other) => JSON.stringify(other.name)).join(', ') || 'none';
        problems.add(`${where.label} for the ${roles[name].label}`, describeRole(roles[name]), received);
      }
    }
  }
  return result;
}

function fits(value: OnnxValue, role: Role): boolean {
  return typeFor(role, value) !== undefined && value.shape !== null && role.ranks.includes(value.shape.length);
}

/** Undefined where the role takes no such type. */
function typeFor({ types }: Role, { elementType }: OnnxValue): TensorType | undefined {
  const type = ELEMENT_TYPES.get(elementType ?? 0);
  return types.find((taken) => taken === type);
}

/** The value as backends see it; a shape that the file leaves out counts as dynamic in every dimension. */
function tensorInfo(value: OnnxValue, role: Role, label: string, problems: Problems): TensorInfo | null {
  const type = typeFor(role, value);
  const shape = value.shape ?? Array.from({ length: role.ranks[0] as number }, () => null);
  const sound = shape.every((size) => size === null || (Number.isSafeInteger(size) && size > 0));
  if (type !== undefined && role.ranks.includes(shape.length) && sound) {
    checkSizes(`${label} ${JSON.stringify(value.name)}`, shape, role, problems);
    return { name: value.name, type, shape };
  }
  const named = ELEMENT_TYPES.get(value.elementType ?? 0) ?? value.elementType ?? 'none';
  const received = `element type ${named}, shape ${describeShape(shape)}`;
  problems.add(`${label} ${JSON.stringify(value.name)}`, describeRole(role), received);
  return null;
}

function checkSizes(label: string, shape: readonly (number | null)[], { axes }: Role, problems: Problems): void {
  const tooLarge = axes.filter((axis, i) => (shape[i] ?? 0) > LARGEST[axis]);
  for (const axis of tooLarge) {
    // Those are told in pixels, once for all graphs.
    if (axis === 'height' || axis === 'width') continue;
    problems.add(`${label}: ${axis}`, `at most ${LARGEST[axis]}`, String(shape[axes.indexOf(axis)]));
  }
  const elements = shape.reduce<number>((product, size) => product * (size ?? 1), 1);
  if (tooLarge.length === 0 && elements > MOST_ELEMENTS) {
    problems.add(label, `at most ${MOST_ELEMENTS} elements`, `${elements} in shape ${describeShape(shape)}`);
  }
}

function describeShape(shape: readonly (number | null)[]): string {
  return `[${shape.map((size) => size ?? '?').join(', ')}]`;
}

function describeRole(role: Role): string {
  return `${role.types.join(' or ')} of ${role.ranks.join(' or ')} dimensions of at least 1, as ${role.names.join(' or ')}`;
}
