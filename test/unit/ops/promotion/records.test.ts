import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { modelKey, parseRecord, RUN, readOrNull, readRuns } from '../../../../src/ops/promotion/records.js';
import { modelOf, writeRun } from './tiny-runs.js';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 't2i-records-'));
});
afterEach(() => rmSync(project, { recursive: true }));

describe('the key of a model', () => {
  const file = (bytes: number, digit: string) => ({ bytes, sha256: digit.repeat(64) });
  const FILES = [
    ['a', file(1, 'a')],
    ['b', file(2, 'b')],
    ['c/a', file(3, 'c')],
    ['c', file(3, 'c')],
  ] as const;
  const keyOf = (files: (typeof FILES)[number][]) => modelKey({ files: Object.fromEntries(files) });

  it('names the folder of a version for good: another key would lose what is kept', () => {
    expect(keyOf([...FILES])).toBe('847797a78982b48f25a86d576d3aa5c1');
  });

  it('does not depend on the order in which the files are told', () => {
    for (const [at] of FILES.entries()) {
      const turned = [...FILES.slice(at), ...FILES.slice(0, at)];
      expect([keyOf(turned), keyOf(turned.toReversed())]).toEqual([keyOf([...FILES]), keyOf([...FILES])]);
    }
  });

  it('is another one for another path, size or content', () => {
    const keys = [['b', file(1, 'a')] as const, ['a', file(2, 'a')] as const, ['a', file(1, 'b')] as const].map(
      ([path, record]) => modelKey({ files: { [path]: record } }),
    );
    expect(new Set([...keys, modelKey({ files: { a: file(1, 'a') } })]).size).toBe(4);
  });
});

describe('the runs of a project', () => {
  const names = async () => (await readRuns(project)).map(({ run_name }) => run_name);

  it('are those that are finished, by their names, and none where nothing was trained', async () => {
    expect(await names()).toEqual([]);
    for (const name of ['b', 'a', 'c']) writeRun(project, name, 0.5);
    mkdirSync(join(project, 'runs/begun'));
    writeFileSync(join(project, 'runs/notes.txt'), 'a is better');
    expect(await names()).toEqual(['a', 'b', 'c']);
  });

  it('are not taken for none where they cannot be read', async () => {
    writeFileSync(join(project, 'runs'), '');
    const refused = { code: 'IO_FAILED', message: expect.stringContaining(join(project, 'runs')) };
    await expect(readRuns(project)).rejects.toMatchObject(refused);
  });

  it('nor is a record that cannot be read', async () => {
    mkdirSync(join(project, 'runs/a/run.json'), { recursive: true });
    await expect(readRuns(project)).rejects.toMatchObject({ code: 'IO_FAILED' });
    expect(await readOrNull(join(project, 'none'))).toBeNull();
  });
});

describe('a record that is damaged', () => {
  const record = modelOf(1, 'a');

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{"run_name"', /damaged: .*JSON/],
    ['no record', null, /damaged: it: /],
    ['a loss in words', { ...record, best_val_diffuser_loss: 'NaN' }, /damaged: best_val_diffuser_loss: /],
    ['a step below 0', { ...record, best_step: -1 }, /damaged: best_step: /],
    ['a run without a name', { ...record, run_name: '' }, /damaged: run_name: /],
    ['a short hash', { ...record, config_hash: 'abc' }, /damaged: config_hash: a SHA-256/],
    ['files of no size', { ...record, files: { a: { sha256: record.config_hash } } }, /damaged: files\.a\.bytes: /],
    ['several problems', { ...record, best_step: 0.5, config_hash: 1 }, /damaged: best_step: .*; config_hash: /],
    ...['/etc/passwd', '../a', 'a/../b', 'a/..', './a', 'a\\b', 'a\0b', ''].map((path): [string, unknown, RegExp] => [
      `a file at ${JSON.stringify(path)}`,
      { ...record, files: { [path]: { bytes: 1, sha256: record.config_hash } } },
      /damaged: files\./,
    ]),
  ])('says where: %s', (_, value, message) => {
    const parse = (hint?: string) =>
      parseRecord(typeof value === 'string' ? value : JSON.stringify(value), 'here/run.json', RUN, hint);
    const refused = { code: 'DATA_INVALID', message: expect.stringMatching(message) };
    expect(() => parse()).toThrow(
      expect.objectContaining({ ...refused, hint: expect.stringContaining('dvc checkout') }),
    );
    expect(() => parse('Ask.')).toThrow(expect.objectContaining({ ...refused, hint: 'Ask.' }));
    expect(() => parse()).toThrow('here/run.json is damaged');
  });
});
