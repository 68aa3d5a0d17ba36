import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { printError } from '../../src/cli/output.js';
import { askForReport } from '../../src/report-address.js';
import { fakeIo } from '../support/fake-io.js';

const packageJson = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

describe('asking for a report', () => {
  it('names the address, in either form of package.json', () => {
    const url = 'https://example.org/bugs';
    expect(askForReport('the bug', { bugs: url })).toBe(` Please report the bug: ${url}`);
    expect(askForReport('the bug', { bugs: { url } })).toBe(` Please report the bug: ${url}`);
  });

  it('is left out where there is no address', () => {
    expect(askForReport('the bug', {})).toBe('');
    expect(askForReport('the bug', { bugs: {} })).toBe('');
  });

  it('is what the command line does with a bug', () => {
    const io = fakeIo();
    printError(io, new Error('of ours'), false);
    const asked = askForReport('the lines above');
    expect(io.err()).toMatch(/hint: This is a bug in t2i\./);
    expect(asked !== '').toBe(packageJson.bugs !== undefined);
    expect(io.err().endsWith(`in t2i.${asked}\n`)).toBe(true);
  });
});
