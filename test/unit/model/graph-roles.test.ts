import { describe, expect, it } from 'vitest';
import { assignRoles, ROLES, type Role } from '../../../src/model/graph-roles.js';
import type { OnnxValue } from '../../../src/model/onnx-file.js';
import { Problems } from '../../../src/model/problems.js';
import { issuesOf } from './issues-of.js';

const [FLOAT, INT32, INT64, DOUBLE] = [1, 6, 7, 11];
const value = (name: string, elementType: number | null, shape: OnnxValue['shape']): OnnxValue => ({
  name,
  elementType,
  shape,
});
const latents = (name: string) => value(name, FLOAT, [null, 4, null, null]);

/** What becomes of values: the name that each role takes, and what is wrong. */
function assigned<Name extends string>(
  roles: Readonly<Record<Name, Role>>,
  values: readonly OnnxValue[],
  { refuseRest = false, optional = [] as Name[] } = {},
) {
  const problems = new Problems();
  const found = assignRoles(values, roles, { label: 'g', refuseRest, optional: optional as never[] }, problems);
  const names = Object.entries<{ name: string } | null>(found).map(([role, info]) => [role, info?.name ?? null]);
  return { found, names: Object.fromEntries(names), wrong: issuesOf(problems) };
}
const one = (role: Role, ...values: OnnxValue[]) => {
  const { found, wrong } = assigned({ one: role }, values);
  return wrong.length > 0 ? wrong : found.one;
};

describe('a role', () => {
  it('takes the value of its best name, before one that fits by its form', () => {
    const { names } = assigned({ sample: ROLES.sample }, ['x', 'a', 'latents'].map(latents));
    expect(names).toEqual({ sample: 'latents' });
  });

  it('takes the only value of its form that no other role has by its name', () => {
    const roles = { sample: ROLES.sample, states: ROLES.encoderHiddenStates };
    const states = value('b', FLOAT, [null, 16, 32]);
    expect(assigned(roles, [latents('a'), states]).names).toEqual({ sample: 'a', states: 'b' });
    // One that is taken is no longer there for another.
    const twice = assigned({ first: ROLES.sample, second: ROLES.latents }, [latents('sample')]);
    expect(twice.names).toEqual({ first: 'sample', second: null });
  });

  it.each<[string, OnnxValue[]]>([
    ['none', []],
    ['two that fit alike', [latents('a'), latents('b')]],
    ['one of another type', [value('a', INT64, [null, 4, null, null])]],
    ['one of a type that is none', [value('a', DOUBLE, [null, 4, null, null])]],
    ['one of no type', [value('a', null, [null, 4, null, null])]],
    ['one of another rank', [value('a', FLOAT, [null, 4, null])]],
    ['one of no shape', [value('a', FLOAT, null)]],
  ])('takes no value by its form: %s', (_, values) => {
    const { names, wrong } = assigned({ sample: ROLES.sample }, values);
    expect(names).toEqual({ sample: null });
    const form = 'float32 or float16 of 4 dimensions of at least 1, as sample or latents or latent_sample or x';
    const there = values.map(({ name }) => JSON.stringify(name)).join(', ') || 'none';
    expect(wrong).toEqual([`g for the noisy latents: ${form}, not ${there}`]);
  });

  it('that may be left out is taken by its name alone, and missed by nobody', () => {
    const options = { optional: ['mask' as const] };
    const roles = { mask: ROLES.attentionMask };
    const mask = (name: string) => value(name, INT64, [null, 16]);
    expect(assigned(roles, [mask('attention_mask')], options).names).toEqual({ mask: 'attention_mask' });
    expect(assigned(roles, [mask('other')], options)).toMatchObject({ names: { mask: null }, wrong: [] });
  });
});

describe('a value', () => {
  it('in bfloat16, which the CPU has no kernels for, is refused by the name of its type', () => {
    expect(assigned({ sample: ROLES.sample }, [value('sample', 16, [null, 4, null, null])]).wrong).toEqual([
      'g "sample": float32 or float16 of 4 dimensions of at least 1, as sample or latents or latent_sample or x, ' +
        'not element type bfloat16, shape [?, 4, ?, ?]',
    ]);
  });

  it('that no role takes is refused where it must be fed, and only there', () => {
    const values = [latents('sample'), latents('more')];
    const roles = { sample: ROLES.sample };
    expect(assigned(roles, values).wrong).toEqual([]);
    expect(assigned(roles, values, { refuseRest: true }).wrong).toEqual([
      'g "more": none but the inputs of a Stable Diffusion model, not one more, which must be given',
    ]);
  });

  it('has the type and the shape that its file gives, dynamic in all dimensions where it gives none', () => {
    expect(one(ROLES.ids, value('input_ids', INT32, [null, 16]))).toEqual({
      name: 'input_ids',
      type: 'int32',
      shape: [null, 16],
    });
    expect(one(ROLES.states, value('last_hidden_state', FLOAT, null))).toMatchObject({ shape: [null, null, null] });
    expect(one(ROLES.timestep, value('t', FLOAT, null))).toMatchObject({ shape: [] });
    for (const shape of [[], [1]]) expect(one(ROLES.timestep, value('t', INT64, shape))).toMatchObject({ shape });
  });

  const form = (label: string) => `g "${label}": int32 or int64 of 2 dimensions of at least 1, as input_ids, not`;
  it.each<[string, OnnxValue, string]>([
    ['another type', value('input_ids', FLOAT, [1, 16]), 'element type float32, shape [1, 16]'],
    ['a type that is none', value('input_ids', DOUBLE, [1, 16]), 'element type 11, shape [1, 16]'],
    ['no type', value('input_ids', null, [1, null]), 'element type none, shape [1, ?]'],
    ['another rank', value('input_ids', INT64, [16]), 'element type int64, shape [16]'],
    ['an empty dimension', value('input_ids', INT64, [0, 16]), 'element type int64, shape [0, 16]'],
    ['a negative one', value('input_ids', INT64, [null, -1]), 'element type int64, shape [?, -1]'],
    ['one beyond 2^53', value('input_ids', INT64, [1, 2 ** 53]), 'element type int64, shape [1, 9007199254740992]'],
  ])('of its name is refused with %s', (_, refused, received) => {
    expect(one(ROLES.ids, refused)).toEqual([`${form('input_ids')} ${received}`]);
  });
});

describe('the largest sizes', () => {
  it.each<[string, Role, string, number, string]>([
    ['batch', ROLES.ids, 'input_ids', 256, 'at most 256, not 257'],
    ['tokens', ROLES.ids, 'input_ids', 4096, 'at most 4096, not 4097'],
    ['channels', ROLES.sample, 'sample', 1024, 'at most 1024, not 1025'],
    ['states', ROLES.states, 'hidden_states', 16_384, 'at most 16384, not 16385'],
    ['size of a state', ROLES.timestepCond, 'timestep_cond', 16_384, 'at most 16384, not 16385'],
    ['size of a state', ROLES.encoderHiddenStates, 'context', 16_384, 'at most 16384, not 16385'],
  ])('of %s are allowed to the last', (axis, role, name, most, refusal) => {
    const sized = (size: number) => {
      const shape = role.axes.map((each) => (each === axis ? size : null));
      return one(role, value(name, TYPE_OF(role), shape));
    };
    expect(sized(most)).toMatchObject({ name });
    expect(sized(most + 1)).toEqual([`g ${JSON.stringify(name)}: ${axis}: ${refusal}`]);
  });

  it('of all dimensions together are 2^28 elements', () => {
    const sized = (...shape: number[]) => one(ROLES.sample, value('sample', FLOAT, shape));
    expect(sized(256, 1024, 32, 32)).toMatchObject({ shape: [256, 1024, 32, 32] });
    expect(sized(256, 1024, 32, 33)).toEqual([
      'g "sample": at most 268435456 elements, not 276824064 in shape [256, 1024, 32, 33]',
    ]);
    // One that is too large by itself is told alone, and height and width in pixels by whoever knows them.
    expect(sized(257, 1024, 4096, 4096)).toEqual(['g "sample": batch: at most 256, not 257']);
    expect(sized(1, 1, 4097, 2 ** 20)).toMatchObject({ name: 'sample' });
    expect(one(ROLES.sample, value('sample', FLOAT, [256, 1024, null, 4096]))).toEqual([
      'g "sample": at most 268435456 elements, not 1073741824 in shape [256, 1024, ?, 4096]',
    ]);
  });
});

/** An element type that a role allows. */
const TYPE_OF = ({ types }: Role) => (types.includes('float32') ? FLOAT : INT64);
