import type { ModelDescription } from '../../../model/description.js';
import { tensorsOf } from '../../../model/networks.js';
import type { NetworkReference, NetworkTensor } from '../../backend.js';
import type { NativeDevice, NativeLibrary, NativeTensor } from '../native.js';
import { measureAccuracy } from './accuracy.js';
import { checkInputs } from './check-inputs.js';
import { componentOf } from './components.js';
import { runInChild } from './engine-process.js';
import type { EngineSource } from './engine-source.js';
import type { Accuracy } from './header.js';
import type { EngineProfile } from './profiles.js';
import { fromNative, toNative } from './tensors.js';

/** Where engines are run and what they are compared with. */
export interface Checker {
  /** File of the addon. */
  readonly addon: string;
  readonly library: NativeLibrary;
  readonly device: NativeDevice;
  readonly reference: NetworkReference;
  readonly signal: AbortSignal;
}

/**
 * Runs an engine once, in a child process, and compares it with the reference on the same inputs.
 *
 * @param path of the file of an engine that was built from `source` and covers `profile`
 * @throws T2IError ENGINE_INACCURATE, ENGINE_INVALID, OUT_OF_MEMORY, BACKEND_FAILED, BACKEND_CRASHED, DEVICE_LOST and what the
 *   reference throws; the signal's reason
 */
export async function checkEngine(
  model: ModelDescription,
  source: EngineSource,
  { path, profile }: { readonly path: string; readonly profile: EngineProfile },
  { addon, library, device, reference, signal }: Checker,
): Promise<Accuracy> {
  const { network, precision, types } = source;
  const { inputs: infos, output } = tensorsOf(model, network);
  const values = await checkInputs(model, network, profile, reference, signal);
  const expected = (await reference.run(model, network, values, signal))[output.name] as NetworkTensor;
  const inputs: Record<string, NativeTensor> = {};
  for (const { name, type } of infos) inputs[name] = toNative(values[name] as NetworkTensor, types.get(name) ?? type);
  const outputs = await runInChild(
    { addon, device: device.index, library: library.path, engine: path, inputs },
    signal,
  );
  const result = outputs[output.name];
  const given = result === undefined ? new Float32Array(0) : fromNative(result).data;
  return measureAccuracy(componentOf(network), given, expected.data, { precision, against: reference.runtime });
}
