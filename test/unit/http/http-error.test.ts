import { describe, expect, it } from 'vitest';
import { networkError, plainAddress, statusError } from '../../../src/http/http-error.js';

const failed = (status: number, said = '', hint?: string) =>
  statusError({ method: 'GET', url: 'https://me:secret@host:8443/a/b?signature=secret', status, said, hint });

describe('the error of an answer', () => {
  it.each([
    [400, 'REMOTE_REFUSED', 'never'],
    [404, 'REMOTE_NOT_FOUND', 'never'],
    [408, 'NETWORK_FAILED', 'where idempotent'],
    [410, 'REMOTE_NOT_FOUND', 'never'],
    [429, 'NETWORK_FAILED', 'always'],
    [499, 'REMOTE_REFUSED', 'never'],
    [500, 'NETWORK_FAILED', 'where idempotent'],
    [503, 'NETWORK_FAILED', 'where idempotent'],
  ])('with %i is %s, and worth another try: %s', (status, code, again) => {
    expect(failed(status)).toMatchObject({ status, code, again, hint: expect.any(String) });
  });

  it('shows neither query nor password, what the server says, and the better hint', () => {
    expect(failed(404).message).toBe('GET https://host:8443/a/b was answered with 404');
    expect(failed(404, 'no such model').message).toBe('GET https://host:8443/a/b was answered with 404: no such model');
    expect(failed(404, '', 'Name another.').hint).toBe('Name another.');
    expect(plainAddress('secret')).toBe('an address that is none');
  });
});

describe('the error of a request without an answer', () => {
  const coded = (code: string | number, message: string) => Object.assign(new Error(message), { code });

  it.each<[string, unknown, string, string]>([
    ['the innermost cause', new Error('fetch', { cause: new Error('x', { cause: new Error('why') }) }), 'why', ''],
    ['its code', coded('UND_ERR_SOCKET', 'other side closed'), 'other side closed (UND_ERR_SOCKET)', ''],
    ['its code once', coded('ECONNRESET', 'read ECONNRESET'), 'read ECONNRESET', ''],
    ['no number for a code', coded(7, 'broken'), 'broken', ''],
    [
      'that of the first address',
      new AggregateError([coded('ECONNREFUSED', 'ECONNREFUSED ::1')], 'all'),
      'ECONNREFUSED ::1',
      'always',
    ],
    ['its name where it says nothing', new RangeError(''), 'RangeError', ''],
    ['what was thrown', 'closed', 'closed', ''],
  ])('says %s', (_, cause, reason, again) => {
    expect(networkError('Reading', 'https://host/a?b', cause)).toMatchObject({
      code: 'NETWORK_FAILED',
      message: `Reading https://host/a failed: ${reason}`,
      again: again || 'where idempotent',
      cause,
    });
  });

  it.each([
    [
      ['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
      /not trust/,
      /CA_CERTS/,
    ],
    [['UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'CERT_UNTRUSTED'], /not trust/, /CA_CERTS/],
    [['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'], /not valid at this time/, /clock/],
    [['ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH'], /of another name/, /address/],
  ])('with %j says what is wrong with the certificate, and is asked for once', (codes, says, hint) => {
    for (const code of codes)
      expect(
        networkError('GET', 'https://host/a?b', new Error('fetch failed', { cause: coded(code, 'why') })),
      ).toMatchObject({
        code: 'NETWORK_FAILED',
        message: expect.stringMatching(
          new RegExp(`^GET https://host/a failed: .*${says.source}.*: why \\(${code}\\)$`),
        ),
        again: 'never',
        hint: expect.stringMatching(hint),
      });
  });

  it('with another code of an error says nothing of certificates', () => {
    for (const code of ['EPROTO', 'toString', 'CERT'])
      expect(networkError('GET', 'https://host', coded(code, 'why')).message).toBe(
        `GET https://host/ failed: why (${code})`,
      );
  });
});
