import { describe, expect, it } from 'vitest';
import { isServerAddress } from '../../../src/http/server-address.js';

describe('the address of a server', () => {
  it.each([
    'https://host',
    'HTTP://localhost:5000',
    'https://dagshub.com/anna/flowers.mlflow/',
    'https://host/@anna',
    'http://[::1]:5000/x',
  ])('may be %s', (address) => {
    expect(isServerAddress(address)).toBe(true);
  });

  it.each([
    '',
    'host:5000',
    'git+https://host',
    'ftp://host',
    'https:host',
    'https://',
    'https://host:99999',
    // What these end with would stand before every path.
    'https://host?',
    'https://host/#',
    'https://host ',
    'https://ho\nst',
    'https://host/?x=1',
    'https://host/#x',
    'https://user@host',
    'https://:password@host',
  ])('is not %j', (address) => {
    expect(isServerAddress(address)).toBe(false);
  });
});
