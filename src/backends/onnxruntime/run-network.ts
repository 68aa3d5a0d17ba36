import { T2IError } from '../../errors.js';
import type { TensorInfo } from '../../model/description.js';
import { tensorsOf } from '../../model/networks.js';
import type { NetworkTensor } from '../backend.js';
import type { NetworkRequest } from './child-calls.js';
import { Network } from './network.js';
import { Port, product, type Runtime, readFloats } from './port.js';

/**
 * One forward of one network of a model.
 *
 * @param onOpen called, and awaited, with the file before the runtime opens it
 * @throws T2IError MODEL_INVALID, BACKEND_FAILED, OUT_OF_MEMORY
 */
export async function runNetwork(
  runtime: Runtime,
  { model, network: name, inputs }: NetworkRequest,
  onOpen: (path: string) => Promise<void>,
): Promise<Readonly<Record<string, NetworkTensor>>> {
  const { inputs: known, output } = tensorsOf(model, name);
  const { path } = model[name];
  await onOpen(path);
  const network = await Network.open(runtime, path, undefined);
  const ports = known.map((info) => [info.name, portOf(runtime, info, inputs[info.name])] as const);
  const { [output.name]: result } = await network.run(Object.fromEntries(ports), { [output.name]: null });
  if (result === undefined) throw new T2IError('BACKEND_FAILED', `${path}: the graph gave no output ${output.name}`);
  return { [output.name]: { shape: result.dims, data: readFloats(result) } };
}

function portOf(runtime: Runtime, info: TensorInfo, tensor: NetworkTensor | undefined): Port {
  if (tensor === undefined || tensor.data.length !== product(tensor.shape)) {
    const received = tensor ? `${tensor.data.length} numbers for [${tensor.shape}]` : 'nothing';
    throw new T2IError(
      'BACKEND_FAILED',
      `${info.name}: expected a tensor with as many numbers as its shape, received ${received}`,
    );
  }
  const port = new Port(runtime, info, tensor.shape);
  port.write(tensor.data, 0);
  return port;
}
