import { samplerRefusal } from '../diffusion/model-sampler.js';
import { SAMPLER_NAMES, SAMPLERS } from '../diffusion/samplers/index.js';
import type { SchedulerConfig } from '../diffusion/schedule.js';
import { describeValue } from '../fields.js';
import type { Manifest, Preset } from './manifest.js';
import type { Problems } from './problems.js';

/** Notes every sampler of the manifest's defaults and presets that there is none of, and steps beyond what it takes. */
export function checkManifestSamplers(manifest: Manifest, scheduler: SchedulerConfig, problems: Problems): void {
  const { defaults, presets = {} } = manifest;
  check('t2i.json: defaults', defaults);
  for (const [name, preset] of Object.entries(presets)) check(`t2i.json: presets: ${name}`, preset);

  function check(where: string, { steps, sampler }: Preset): void {
    const expectSampler = (expected: string) => {
      // One that a preset leaves out is the defaults', which were checked.
      if (sampler !== undefined) problems.add(`${where}: sampler`, expected, describeValue(sampler));
    };
    const name = SAMPLER_NAMES.find((each) => each === (sampler ?? defaults.sampler));
    if (name === undefined) {
      expectSampler(`one of ${SAMPLER_NAMES.join(', ')}`);
      return;
    }
    const refusal = samplerRefusal(scheduler, name);
    if (refusal !== null) expectSampler(`another one (${refusal})`);
    const most = SAMPLERS[name].maxSteps(scheduler);
    if (steps !== undefined && steps > most) {
      problems.add(`${where}: steps`, `at most ${most} with sampler ${name}`, String(steps));
    }
  }
}
