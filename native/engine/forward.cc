#include "engine/forward.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "cuda/resources.h"

namespace t2i {

namespace {

/// A tensor of the engine in device memory, and the pinned memory that it is copied from or to.
struct Binding {
  explicit Binding(std::size_t bytes) : pinned(bytes), device(bytes) {}
  cuda::PinnedBuffer pinned;
  cuda::DeviceBuffer device;
};

const HostTensor& input_for(const TensorSpec& spec, const std::map<std::string, HostTensor>& inputs) {
  const auto found = inputs.find(spec.name);
  if (found == inputs.end()) throw Error(ErrorCode::backend_failed, "the engine's input " + spec.name + " is missing");
  const HostTensor& tensor = found->second;
  if (tensor.type != spec.type) {
    throw Error(ErrorCode::backend_failed,
                "input " + spec.name + ": expected element type " + std::to_string(static_cast<int>(spec.type)) +
                    " of TensorRT's DataType, received " + std::to_string(static_cast<int>(tensor.type)));
  }
  if (tensor.dims.size() != spec.dims.size()) {
    throw Error(ErrorCode::backend_failed, "input " + spec.name + ": expected " + std::to_string(spec.dims.size()) +
                                               " dimensions, received " + std::to_string(tensor.dims.size()));
  }
  return tensor;
}

void refuse_unknown(const Engine& engine, const std::map<std::string, HostTensor>& inputs) {
  for (const auto& [name, tensor] : inputs) {
    if (!engine.tensor(name).is_input)
      throw Error(ErrorCode::backend_failed, name + " is an output of the engine, no input");
  }
}

std::size_t byte_size(const Dims& dims, DataType type) {
  std::size_t bytes = size_of(type);
  for (const int64_t dim : dims) bytes *= static_cast<std::size_t>(std::max<int64_t>(dim, 0));
  return bytes;
}

}  // namespace

std::map<std::string, HostTensor> forward(Engine& engine, const std::map<std::string, HostTensor>& inputs) {
  refuse_unknown(engine, inputs);
  Context context(engine);
  std::map<std::string, Binding> bindings;
  cuda::DeviceBuffer activations;
  // Last, so that it is the first to go: it waits for what is queued, which works in all of the above.
  const cuda::Stream stream = cuda::Stream::create();
  const auto bind = [&](const std::string& name, std::size_t bytes) -> Binding& {
    // An empty tensor needs an address too.
    Binding& binding = bindings.emplace(name, Binding(std::max<std::size_t>(bytes, 1))).first->second;
    context.set_address(name, binding.device.get());
    return binding;
  };

  for (const TensorSpec& spec : engine.tensors()) {
    if (!spec.is_input) continue;
    const HostTensor& tensor = input_for(spec, inputs);
    context.set_shape(spec.name, tensor.dims);
    Binding& binding = bind(spec.name, tensor.data.size());
    std::copy(tensor.data.begin(), tensor.data.end(), binding.pinned.as<uint8_t>());
    cuda::copy_to_device(binding.device.get(), binding.pinned.get(), tensor.data.size(), stream.get());
  }

  std::map<std::string, HostTensor> outputs;
  for (const TensorSpec& spec : engine.tensors()) {
    if (spec.is_input) continue;
    const Dims dims = context.shape(spec.name);
    const std::size_t bytes = byte_size(dims, spec.type);
    bind(spec.name, bytes);
    outputs.emplace(spec.name, HostTensor{spec.type, dims, std::vector<uint8_t>(bytes)});
  }

  const std::size_t bytes = context.activation_bytes();
  if (bytes > 0) activations = cuda::DeviceBuffer(bytes);
  context.set_activations(activations.get());
  context.enqueue(stream.get());
  for (auto& [name, output] : outputs) {
    const Binding& binding = bindings.at(name);
    cuda::copy_to_host(binding.pinned.get(), binding.device.get(), output.data.size(), stream.get());
  }
  cuda::synchronize(stream.get());
  for (auto& [name, output] : outputs) {
    const auto* from = bindings.at(name).pinned.as<uint8_t>();
    std::copy(from, from + output.data.size(), output.data.begin());
  }
  return outputs;
}

}  // namespace t2i
