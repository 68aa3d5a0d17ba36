import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../../src/errors.js';
import { ServerLimits } from '../../../../src/server/http/limits.js';
import { checkOrder } from '../../../../src/server/redis/checked-order.js';
import { ForeignContent } from '../../../../src/server/redis/order.js';
import { memoryModel } from '../../../support/memory-server.js';

const REQUEST = {
  ...{ prompt: 'a cat', negativePrompt: 'a dog', seeds: [4, 2], steps: 5, guidanceScale: 2, sampler: 'ddim' },
  ...{ sigmas: null, eta: 0, width: 32, height: 64, previewEvery: 2 },
};
const limits = new ServerLimits({ images: 2, side: 64, steps: 30 });
const served = memoryModel('formula');

const check = (request: object = {}, order: object = {}) =>
  checkOrder(
    JSON.stringify({ v: 1, model: 'formula', key: 'a', api: 'jobs', request: { ...REQUEST, ...request }, ...order }),
    served,
    limits,
  );

describe('an order that another server took', () => {
  it('is drawn as it was asked', () => {
    expect(check()).toEqual({ model: 'formula', key: 'a', api: 'jobs', request: REQUEST });
  });

  it('gets the sampler that stands for one that nobody chose', () => {
    const replacement = 'the sampler of the model is not there';
    expect(check({ sampler: 'lms', replacement }).request.sampler).toBe('ddim');
  });

  it('of another model is foreign', () => expect(() => check({}, { model: 'other' })).toThrow(ForeignContent));

  it.each<[what: string, request: object, option: string]>([
    ['more images than this server makes', { seeds: [1, 2, 3] }, 'n'],
    ['a longer side than this server makes', { width: 72 }, 'width'],
    ['more steps than this server does', { steps: 31 }, 'steps'],
    ['a size that the model does not have', { width: 33 }, 'width'],
    ['a sampler that there is not', { sampler: '../x' }, 'sampler'],
  ])('that asks for %s is refused as if a client had sent it', (_, request, option) => {
    const issues = [expect.objectContaining({ option })];
    expect(() => check(request)).toThrow(expect.objectContaining({ status: 400, code: 'option_invalid', issues }));
  });

  it.each([new RangeError('broken'), new T2IError('MODEL_INVALID', 'broken')])(
    'is not blamed for a fault of the server: %s',
    (fault) => {
      const broken = {
        ...served,
        get model(): never {
          throw fault;
        },
      };
      const text = JSON.stringify({ v: 1, model: 'formula', key: 'a', api: 'jobs', request: REQUEST });
      expect(() => checkOrder(text, broken, limits)).toThrow(fault);
    },
  );
});
