#include "pipeline/network.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "base/error.h"

namespace t2i {

Range range_of(const TensorSpec& input, std::size_t axis) {
  const int64_t size = input.dims.at(axis);
  if (size >= 0) return {size, size};
  return {input.min.at(axis), input.max.at(axis)};
}

int64_t volume(const Dims& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

Network::Network(Engine& engine, std::string output, Activations& activations)
    : engine_(engine), activations_(activations), context_(engine), output_(std::move(output)) {
  for (const TensorSpec& tensor : engine.tensors()) {
    if (!tensor.is_input && tensor.name != output_) unread_[tensor.name];
  }
}

bool Network::reshape(const Shapes& inputs) {
  if (has(inputs)) return false;
  // Until all of it worked, nothing is known of the context's shapes.
  shapes_.clear();
  for (const auto& [name, shape] : inputs) context_.set_shape(name, shape);
  for (auto& [name, memory] : unread_) {
    const auto values = static_cast<std::size_t>(volume(context_.shape(name)));
    // An empty tensor needs an address too.
    memory.reserve(std::max<std::size_t>(1, values * size_of(tensor(name).type)));
    bind(name, memory.as<void>());
  }
  activations_.reserve(context_.activation_bytes());
  // A change of shapes may forget them.
  moves_ = -1;
  shapes_ = inputs;
  return true;
}

void Network::enqueue(cuda::StreamHandle stream) {
  if (moves_ != activations_.moves()) context_.set_activations(activations_.memory());
  moves_ = activations_.moves();
  context_.enqueue(stream);
}

void Network::require_shape(const std::string& tensor, const Dims& expected) const {
  const Dims received = shape(tensor);
  if (received == expected) return;
  throw Error(
      ErrorCode::engine_invalid,
      "The engine's " + tensor + ": expected shape " + to_string(expected) + ", received " + to_string(received) + ".",
      "Build the engines of this model again: t2i build-engine.");
}

void Network::free_memory() noexcept {
  for (auto& [name, memory] : unread_) memory.free();
  shapes_.clear();
}

}  // namespace t2i
