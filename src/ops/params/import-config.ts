import { stringify } from 'yaml';
import type { Issue } from '../../errors.js';
import { describeValue, isRecord } from '../../fields.js';
import { issuesOf, PARAMS_FILE, parseYaml, refuseParams } from './read.js';
import { PARAMS } from './schema.js';
import { isSecretKey } from './secrets.js';

/** Keys of older configurations by what they are called here. */
const RENAMED: Readonly<Record<string, string>> = {
  'data.raw_data_path': 'data.raw',
  'unet.learning_rate': 'training.unet_learning_rate',
  'training.vae_learning_rate': 'vae.learning_rate',
};
const RENAMED_SECTIONS: Readonly<Record<string, string>> = {
  ddpm_scheduler: 'DDPMScheduler',
  sagemaker: 'pytorch_estimator',
};

export interface ImportedConfig {
  /** Content of a params.yaml. */
  readonly text: string;
  /** What was left out or changed, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Turns an older configuration, such as a `config/pipeline_config.yaml`, into a params.yaml.
 *
 * @param file its name, for messages
 * @throws T2IError OPTION_INVALID with every key that is not known and every value that is not taken
 */
export function importConfig(file: string, text: string): ImportedConfig {
  const notes: string[] = [];
  const values = collect(file, parseYaml(file, text), notes);
  const parsed = PARAMS.safeParse(values);
  if (!parsed.success) {
    refuseParams(issuesOf(parsed.error, values), file);
  }
  return { text: `# Imported from ${file} by t2i params import.\n${stringify(values, { lineWidth: 0 })}`, notes };
}

function collect(file: string, old: unknown, notes: string[]): Record<string, Record<string, unknown>> {
  const issues: Issue[] = [];
  const values: Record<string, Record<string, unknown>> = {};
  for (const [section, keys] of Object.entries(isRecord(old) ? old : {})) {
    if (!isRecord(keys)) {
      issues.push({ option: section, expected: 'keys with values', received: describeValue(keys) });
      continue;
    }
    for (const [key, value] of Object.entries(keys)) {
      const name = `${section}.${key}`;
      const target = RENAMED[name] ?? `${RENAMED_SECTIONS[section] ?? section}.${key}`;
      if (isSecretKey(target)) notes.push(`${name} was not copied: set it in .env, and take it out of ${file}`);
      else put(values, target, converted(target, value, name, notes));
      if (!isSecretKey(target) && target !== name) notes.push(`${name} is ${target} now`);
    }
  }
  refuseParams(issues, file);
  return values;
}

function put(values: Record<string, Record<string, unknown>>, target: string, value: unknown): void {
  const [section = '', key = ''] = target.split('.');
  values[section] ??= {};
  values[section][key] = value;
}

/** Values that mean something else here. */
function converted(target: string, value: unknown, name: string, notes: string[]): unknown {
  if (target === 'data.raw' && typeof value === 'string' && value.endsWith('.zip')) {
    notes.push(`${name}: the folder, not its archive, is named in ${PARAMS_FILE}`);
    return value.slice(0, -'.zip'.length);
  }
  if (target === 'log_trained_model.diffuser_dir' && typeof value === 'string' && value.endsWith('/diffuser.pth')) {
    notes.push(`${name}: the folder of the promoted model, whose weights are safetensors`);
    return value.slice(0, -'/diffuser.pth'.length);
  }
  return value;
}
