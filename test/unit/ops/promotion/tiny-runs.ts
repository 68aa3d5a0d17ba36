import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { HistoryEntry } from '../../../../src/ops/promotion/history.js';
import type { PromotedModel } from '../../../../src/ops/promotion/records.js';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
export const VALIDATION = { validation_set: 'a'.repeat(64), prediction_type: 'epsilon', latents: [4, 16, 16] };

/** A finished run of a project, with a file of its own, and one that every run has. */
export function writeRun(
  project: string,
  name: string,
  loss: number | null,
  more: object = {},
  weights = `weights of ${name}`,
): void {
  const files = { 'unet/model.safetensors': weights, 'model_index.json': '{}' };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(project, 'runs', name, 'best', path, '..'), { recursive: true });
    writeFileSync(join(project, 'runs', name, 'best', path), text);
  }
  const records = Object.entries(files).map(([path, text]) => [path, { bytes: text.length, sha256: sha256(text) }]);
  const record = {
    run_name: name,
    best_val_diffuser_loss: loss,
    best_step: 7,
    config_hash: 'b'.repeat(64),
    validation: VALIDATION,
    files: Object.fromEntries(records),
    ...more,
  };
  writeFileSync(join(project, 'runs', name, 'run.json'), JSON.stringify(record));
}

/** A model as it stands in a history: two of one name are the same model. */
export function modelOf(version: number, name: string, more: Partial<PromotedModel> = {}): PromotedModel {
  return {
    run_name: name,
    best_val_diffuser_loss: 0.5,
    best_step: 7,
    config_hash: 'b'.repeat(64),
    validation: VALIDATION,
    files: { 'unet/model.safetensors': { bytes: name.length, sha256: sha256(name) } },
    version,
    promoted_at: `2020-01-0${version}T00:00:00.000Z`,
    forced: null,
    replaces: null,
    ...more,
  };
}

/** The record of what is promoted, and the weights beside it. */
export function readPromotedModel(project: string): PromotedModel & { readonly weights: string } {
  const folder = join(project, 'saved_models');
  return {
    weights: readFileSync(join(folder, 'diffuser/unet/model.safetensors'), 'utf8'),
    ...JSON.parse(readFileSync(join(folder, 'model_metadata.json'), 'utf8')),
  };
}

/** Each promotion has a lower loss than what it replaces, unless it was forced. */
export function expectNeverWorse(history: readonly HistoryEntry[]): void {
  for (const [at, { action, model }] of history.entries()) {
    const before = history[at - 1]?.model;
    if (action !== 'promoted' || model.forced !== null || before === undefined) continue;
    const [loss, old] = [model, before].map((each) => each.best_val_diffuser_loss);
    expect(loss).not.toBeNull();
    if (old !== null) expect(loss).toBeLessThan(old as number);
  }
}
