import { describe, expect, it } from 'vitest';
import { awsError, isMissingObject } from '../../../src/aws/errors.js';
import { T2IError } from '../../../src/errors.js';
import { CANARIES } from '../../support/moto.js';

const [id, key] = CANARIES;

describe('what this machine lacks', () => {
  it('credentials are asked for', () => {
    const error = Object.assign(new Error('Could not load credentials from any providers'), {
      name: 'CredentialsProviderError',
    });
    expect(awsError(error, 'Cannot write', [])).toMatchObject({
      code: 'ACCESS_DENIED',
      message: 'Cannot write: there are no AWS credentials',
      hint: expect.stringContaining('AWS_ACCESS_KEY_ID'),
    });
  });

  it('a region is asked for', () => {
    expect(awsError(new Error('Region is missing'), 'Cannot write', [])).toMatchObject({
      code: 'OPTION_INVALID',
      issues: [{ option: 'AWS_REGION' }],
    });
  });

  it('space on the disk is told as such', () => {
    const error = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    expect(awsError(error, 'Cannot fetch the model', [])).toMatchObject({
      code: 'IO_FAILED',
      message: 'Cannot fetch the model: the disk is full or cannot be written (ENOSPC)',
    });
  });

  it.each(['EDQUOT', 'EROFS'])('%s is told as such', (code) => {
    const cause = Object.assign(new Error('in its own words'), { code });
    expect(awsError(cause, 'Cannot fetch the model', [])).toMatchObject({
      code: 'IO_FAILED',
      hint: expect.stringContaining('Free some space'),
      cause: { name: code, message: 'in its own words' },
    });
  });
});

/** An error as AWS's SDK throws it. */
const thrown = (name: string, message = 'in its own words', more: object = {}) =>
  Object.assign(new Error(message), { name, ...more });
const told = (error: unknown, secrets: readonly string[] = []) => awsError(error, 'Cannot write', secrets);

describe('an error of AWS', () => {
  it('that is told already is told as it is', () => {
    const error = new T2IError('DATA_INVALID', 'a file changed');
    expect(told(error)).toBe(error);
  });

  it('comes with what helps, and with what AWS said as its cause', () => {
    const error = told(thrown('NoSuchBucket'));
    expect(error).toMatchObject({
      hint: expect.stringContaining('aws s3 mb'),
      cause: { name: 'NoSuchBucket', message: 'in its own words' },
    });
    expect(error.issues).toEqual([]);
  });

  it('that no kind fits has what AWS said as its cause too', () => {
    expect(told(thrown('SomethingNew')).cause).toMatchObject({ name: 'SomethingNew', message: 'in its own words' });
  });

  it('about a region is none of a setting that is missing', () => {
    expect(told(thrown('ValidationException', 'The copy: Region is missing'))).toMatchObject({
      code: 'REMOTE_REFUSED',
      message: 'Cannot write: AWS refused: The copy: Region is missing (ValidationException)',
    });
  });

  it('says that the bucket is in another region where the answer does not say in which', () => {
    expect(told(thrown('PermanentRedirect'))).toMatchObject({
      message: 'Cannot write: the bucket is in another region',
      issues: [{ option: 'AWS_REGION', expected: 'the region of the bucket', received: 'another' }],
    });
    expect(told(thrown('PermanentRedirect', '', { $response: {} })).message).toMatch(/another region$/);
  });

  it.each([
    ['by itself', { code: 'ECONNRESET' }],
    ['in its cause', { cause: { code: 'ECONNREFUSED' } }],
  ])('is of the network where the system says so %s', (_, more) => {
    expect(told(thrown('Error', 'connect', more))).toMatchObject({ code: 'NETWORK_FAILED' });
  });

  it.each([
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /does not trust the certificate of the server: why$/, /NODE_EXTRA_CA_CERTS/],
    ['CERT_HAS_EXPIRED', /not valid at this time: why$/, /clock/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /of another name: why$/, /address/],
  ])('is of the certificate where its code, or that of its cause, is %s', (code, message, hint) => {
    for (const more of [{ code }, { cause: { code } }]) {
      expect(told(thrown('Error', 'why', { ...more, $metadata: { attempts: 1 } }))).toMatchObject({
        code: 'NETWORK_FAILED',
        message: expect.stringMatching(message),
        hint: expect.stringMatching(hint),
        cause: { message: 'why' },
      });
    }
  });

  it.each(['SOMETHING_ELSE', 'ECONNREFUSED1', 7])(
    "goes by its name where its code, %s, is none of the system's",
    (code) => {
      expect(told(thrown('AccessDenied', 'x', { code }))).toMatchObject({ code: 'ACCESS_DENIED' });
    },
  );

  it.each([
    ['Unknown', 503, 'NETWORK_FAILED', '503'],
    ['Error', 404, 'REMOTE_NOT_FOUND', '404'],
    ['Error', undefined, 'REMOTE_REFUSED', 'Error'],
    ['SyntaxError', 502, 'NETWORK_FAILED', 'SyntaxError'],
    ['SyntaxError', 400, 'REMOTE_REFUSED', 'SyntaxError'],
    ['AccessDenied', 503, 'ACCESS_DENIED', 'AccessDenied'],
  ])('%s with status %s is %s, and called %s', (name, httpStatusCode, code, called) => {
    const error = told(thrown(name, 'x', { $metadata: { httpStatusCode } }));
    expect(error).toMatchObject({ code, cause: { name: called } });
  });

  it.each([
    [undefined, 'undefined (Unknown)'],
    [null, 'null (Unknown)'],
    ['a text', 'a text (Unknown)'],
    [{ name: 'Strange' }, '[object Object] (Strange)'],
    [{}, '[object Object] (Unknown)'],
  ])('may be anything that is thrown: %o', (anything, called) => {
    expect(told(anything)).toMatchObject({
      code: 'REMOTE_REFUSED',
      message: `Cannot write: AWS refused: ${called}`,
    });
  });

  it('is quoted up to the end of its first line, and 2000 characters', () => {
    expect(told(thrown('New', 'a'.repeat(3000))).message).toBe(`Cannot write: AWS refused: ${'a'.repeat(2000)} (New)`);
    expect(told(thrown('New', 'one\ntwo')).message).toBe('Cannot write: AWS refused: one (New)');
  });

  it('is quoted without secrets, nor parts of one at the end', () => {
    const text = `${'a'.repeat(1990)}${key}`;
    expect(told(thrown('New', text), [id, key]).message).toBe(
      `Cannot write: AWS refused: ${'a'.repeat(1990)}*** (New)`,
    );
  });
});

describe('an object is missing', () => {
  it.each([
    [true, 'NoSuchKey'],
    [true, 'NotFound'],
    [false, 'NoSuchBucket'],
    [false, 'AccessDenied'],
  ])('is %s of %s', (expected, name) => {
    expect(isMissingObject(told(thrown(name)))).toBe(expected);
  });

  it('is not said of what is thrown elsewhere', () => {
    expect(isMissingObject(thrown('NoSuchKey'))).toBe(false);
    expect(isMissingObject(Object.assign(thrown('NoSuchKey'), { code: 'REMOTE_NOT_FOUND', cause: new Error() }))).toBe(
      false,
    );
  });
});
