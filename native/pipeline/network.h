#pragma once

#include <map>
#include <string>
#include <vector>

#include "cuda/growing_buffer.h"
#include "engine/engine.h"
#include "pipeline/activations.h"

namespace t2i {

/// Shapes of a network's inputs, by name.
using Shapes = std::map<std::string, Dims>;

/// Smallest and largest size of one axis.
struct Range {
  int64_t min;
  int64_t max;
};

/// What the engine allows for an axis of an input: one size where it is static.
Range range_of(const TensorSpec& input, std::size_t axis);

/// Number of elements.
int64_t volume(const Dims& shape);

/// An engine with one context. Shapes are set when they change; outputs that nobody reads get memory of their own.
class Network {
 public:
  /// @param output the one that will be bound
  /// @param activations what it works in; that and the engine must outlive the network
  Network(Engine& engine, std::string output, Activations& activations);

  const TensorSpec& tensor(const std::string& name) const { return engine_.tensor(name); }
  /// Sets the shapes of all inputs.
  ///
  /// @returns whether they changed: then one enqueue outside a capture must come before one within
  /// @throws Error BACKEND_FAILED outside the profile, OUT_OF_MEMORY
  bool reshape(const Shapes& inputs);
  /// Whether the inputs have those shapes.
  bool has(const Shapes& inputs) const { return inputs == shapes_; }
  Dims shape(const std::string& tensor) const { return context_.shape(tensor); }
  /// @throws Error ENGINE_INVALID where the tensor has another shape for the inputs' shapes
  void require_shape(const std::string& tensor, const Dims& expected) const;
  void bind(const std::string& tensor, void* memory) { context_.set_address(tensor, memory); }
  void enqueue(cuda::StreamHandle stream);
  /// Whether the next enqueue may be captured.
  bool capturable(cuda::StreamHandle stream) const { return context_.capturable(stream); }
  void free_memory() noexcept;

 private:
  Engine& engine_;
  Activations& activations_;
  /// Of the activations, when the context was last told where they are.
  int64_t moves_ = -1;
  Context context_;
  std::string output_;
  Shapes shapes_;
  std::map<std::string, DeviceMemory> unread_;
};

}  // namespace t2i
