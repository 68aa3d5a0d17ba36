import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { anything, MlflowServer } from '../../../../src/ops/mlflow/server.js';
import { quoted } from '../../../../src/ops/mlflow/values.js';
import { answer, FAULTS } from '../../../support/fake-server.js';
import { Failure, TrackingServer } from './tracking.js';

const CANARY = 'canary-c0ffee';
const tracking = new TrackingServer();
const send = (fields = {}, idempotent = false) =>
  tracking.client().send('POST', 'mlflow/x', fields, anything, idempotent);

describe('the address of a tracking server', () => {
  it.each([`https://host/?token=${CANARY}`, `https://host/#${CANARY}`, `https://:${CANARY}@host`])(
    'is not %s, and what may be secret is not repeated',
    (address) => {
      const secret = expect.not.stringContaining(CANARY);
      expect(() => new MlflowServer({ address, env: {} })).toThrow(
        expect.objectContaining({
          code: 'OPTION_INVALID',
          message: secret,
          issues: [{ option: 'mlflow.server_uri', expected: expect.stringContaining('https://'), received: secret }],
        }),
      );
    },
  );

  it('is repeated where it is only wrong', () => {
    expect(() => new MlflowServer({ address: 'host:5000', env: {} })).toThrow('"host:5000"');
  });

  it('may end with as many slashes as one likes', async () => {
    const server = new MlflowServer({ address: `${tracking.fake.url}/a///`, env: {} });
    await server.get('mlflow/x', {}, anything);
    expect(tracking.fake.requests[0]?.path).toBe('/a/api/2.0/mlflow/x');
  });
});

describe('a question', () => {
  it('has its fields in the query, and none that is not given', async () => {
    const odd = "a b&c=d'é%/#+";
    await tracking.client().get('mlflow/x', { odd, count: 200, none: undefined }, anything);
    expect(tracking.questions).toEqual([{ method: 'GET', path: 'mlflow/x', fields: { odd, count: '200' } }]);
    expect(tracking.fake.requests[0]?.headers).not.toHaveProperty('content-type');
  });

  it('that changes something has them as JSON', async () => {
    const fields = { name: 'it\'s "é"', order_by: ['a', 'b'], count: 1, none: undefined };
    tracking.answers = () => ({ done: 'yes' });
    expect(await send(fields)).toEqual({ done: 'yes' });
    const { none, ...given } = fields;
    expect(tracking.questions).toEqual([{ method: 'POST', path: 'mlflow/x', fields: given }]);
    expect(tracking.fake.requests[0]?.headers['content-type']).toBe('application/json');
  });

  it.each([true, false])('that changes something is asked again where that does no harm: %s', async (harmless) => {
    tracking.fake.fail(/x$/, FAULTS.hangUp);
    const sent = send({}, harmless);
    await (harmless ? sent : expect(sent).rejects.toMatchObject({ code: 'NETWORK_FAILED' }));
    expect(tracking.questions).toHaveLength(harmless ? 2 : 1);
  });

  it('that the server had no time for is asked again in any case', async () => {
    tracking.fake.fail(/x$/, FAULTS.status(429));
    await send();
    expect(tracking.questions).toHaveLength(2);
  });

  it.each(['get', 'send', 'download'] as const)('by %s says who asks, and is given up with its signal', async (how) => {
    const stop = new AbortController();
    const server = tracking.client({ MLFLOW_TRACKING_TOKEN: CANARY }, stop.signal);
    const ask = () => {
      if (how === 'get') return server.get('mlflow/x', {}, anything);
      if (how === 'send') return server.send('POST', 'mlflow/x', {}, anything, true);
      return server.download('mlflow/x', 0, stop.signal);
    };
    await ask();
    expect(tracking.fake.requests[0]?.headers.authorization).toBe(`Bearer ${CANARY}`);
    tracking.fake.fail(/x$/, () => stop.abort('enough'));
    await expect(ask()).rejects.toBe('enough');
    expect(tracking.questions).toHaveLength(2);
  });

  it.each([401, 403])('that is answered with %d tells which variables to set', async (status) => {
    tracking.answers = () => new Failure(status);
    const denied = { code: 'ACCESS_DENIED', hint: expect.stringContaining('MLFLOW_TRACKING_TOKEN') };
    await expect(send()).rejects.toMatchObject(denied);
    const { signal } = new AbortController();
    await expect(tracking.client().download('mlflow/x', 0, signal)).rejects.toMatchObject(denied);
  });

  it.each([
    [{ a: { b: 1 } }, /mlflow\/x was answered with something else: a\.b: /],
    [[], /something else: the answer: /],
  ])('answered with %j tells what is wrong there', async (given, message) => {
    tracking.answers = () => given;
    const schema = z.object({ a: z.object({ b: z.string() }) });
    await expect(tracking.client().get('mlflow/x', {}, schema)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringMatching(message),
      hint: expect.stringContaining('mlflow.server_uri'),
    });
  });

  it('that changes something is sent to no other server', async () => {
    tracking.fake.fail(/x$/, FAULTS.redirect('http://127.0.0.1:9/elsewhere'));
    await expect(send({ secret: CANARY })).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringContaining('redirect'),
    });
  });

  it('is not answered by the page of a login, though its status is 200', async () => {
    tracking.fake.fail(/x$/, FAULTS.html);
    await expect(send()).rejects.toMatchObject({ code: 'REMOTE_REFUSED', message: expect.stringContaining('HTML') });
  });
});

describe('bytes', () => {
  it.each([
    [0, undefined],
    [1, 'bytes=1-'],
    [70_000, 'bytes=70000-'],
  ])('from %d on are asked for', async (start, range) => {
    tracking.fake.fail(/x$/, (response) => answer(response, 206, 'some'));
    const response = await tracking.client().download('mlflow/x', start, new AbortController().signal);
    expect(await response.text()).toBe('some');
    expect(tracking.fake.requests[0]?.headers.range).toBe(range);
  });
});

describe('credentials', () => {
  const sent = async (env: Record<string, string>) => {
    await tracking.client(env).get('mlflow/x', {}, anything);
    return tracking.fake.requests[0]?.headers.authorization;
  };

  it('are none where a user has no password, or a password no user', async () => {
    expect(await sent({ MLFLOW_TRACKING_USERNAME: 'u', MLFLOW_TRACKING_PASSWORD: '' })).toBeUndefined();
    expect(await sent({ MLFLOW_TRACKING_PASSWORD: CANARY, MLFLOW_TRACKING_TOKEN: ' ' })).toBeUndefined();
  });

  it('may be of any letters where they are user and password', async () => {
    const env = { MLFLOW_TRACKING_USERNAME: 'zoë', MLFLOW_TRACKING_PASSWORD: 'pä:ss\nwörd' };
    const header = (await sent(env)) ?? '';
    expect(Buffer.from(header.replace('Basic ', ''), 'base64').toString()).toBe('zoë:pä:ss\nwörd');
  });

  it('that are a token may have blanks around it, as a file leaves them', async () => {
    expect(await sent({ MLFLOW_TRACKING_TOKEN: ` ${CANARY}\r\n` })).toBe(`Bearer ${CANARY}`);
  });

  it.each([`${CANARY}\nof two lines`, `${CANARY} of two words`, `“${CANARY}”`])(
    'that no request can carry are told by their name, and not repeated: %j',
    (token) => {
      expect(() => tracking.client({ MLFLOW_TRACKING_TOKEN: token })).toThrow(
        expect.objectContaining({
          code: 'OPTION_INVALID',
          message: expect.stringMatching(new RegExp(`^MLFLOW_TRACKING_TOKEN(?!.*${CANARY})`, 's')),
        }),
      );
    },
  );
});

describe('a text in a filter', () => {
  // The filters of MLflow know no escapes: what stands between the quotes is meant as it stands.
  it.each([
    ['flowers', "'flowers'"],
    ["Anna's flowers", `"Anna's flowers"`],
    ['the "best"', `'the "best"'`],
    ['a\\b', "'a\\b'"],
  ])('%s is quoted as it is', (text, expected) => {
    expect(quoted(text)).toBe(expected);
  });
});
