import type { ModelDescription } from '../../../model/description.js';
import type { NetworkReference, NetworkTensor } from '../../backend.js';
import type { NativeAddon, NativeDevice, NativeLibrary, NativeTensor } from '../native.js';
import { fromNative as asError } from '../native-error.js';
import { measureAccuracy } from './accuracy.js';
import { checkInputs } from './check-inputs.js';
import { componentOf, tensorsOf } from './components.js';
import type { EngineSource } from './engine-source.js';
import type { Accuracy } from './header.js';
import type { EngineProfile } from './profiles.js';
import { fromNative, toNative } from './tensors.js';

/** Where engines are run and what they are compared with. */
export interface Checker {
  readonly addon: NativeAddon;
  readonly library: NativeLibrary;
  readonly device: NativeDevice;
  readonly reference: NetworkReference;
}

/**
 * Runs an engine once and compares it with the reference on the same inputs.
 *
 * @param plan of an engine that was built from `source` and covers `profile`
 * @throws T2IError ENGINE_INACCURATE, ENGINE_INVALID, OUT_OF_MEMORY, BACKEND_FAILED and what the reference throws
 */
export async function checkEngine(
  model: ModelDescription,
  source: EngineSource,
  { plan, profile }: { readonly plan: Uint8Array; readonly profile: EngineProfile },
  { addon, library, device, reference }: Checker,
): Promise<Accuracy> {
  const { network, precision, types } = source;
  const { inputs: infos, output } = tensorsOf(model, network);
  const inputs = await checkInputs(model, network, profile, reference);
  const expected = (await reference.run(model, network, inputs))[output.name] as NetworkTensor;
  const native: Record<string, NativeTensor> = {};
  for (const { name, type } of infos) native[name] = toNative(inputs[name] as NetworkTensor, types.get(name) ?? type);
  const outputs = await addon
    .runEngine({ device: device.index, library: library.path, plan }, native)
    .catch((error) => {
      throw asError(error);
    });
  const result = outputs[output.name];
  const values = result === undefined ? new Float32Array(0) : fromNative(result).data;
  return measureAccuracy(componentOf(network), values, expected.data, { precision, against: reference.runtime });
}
