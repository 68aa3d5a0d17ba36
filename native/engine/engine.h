#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/dims.h"
#include "base/dtype.h"
#include "cuda/device.h"

namespace t2i {

namespace tensorrt {
class Library;
}

/// One input or output of an engine.
struct TensorSpec {
  std::string name;
  bool is_input;
  DataType type;
  /// -1 where it is dynamic.
  Dims dims;
  /// Smallest and largest shape of the first profile, for inputs; `dims` where they are static.
  Dims min;
  Dims max;
};

/// What helps where an engine is not what it should be.
constexpr const char* kRebuildEngines = "Build the engines again on this machine: t2i build-engine MODELDIR.";

/// Bytes of somebody else's.
struct Bytes {
  const void* data = nullptr;
  std::size_t size = 0;
};

/// What an engine is known by within a process: those of one identity share their weights.
struct EngineIdentity {
  /// SHA-256 of the serialized engine, which was checked; empty where it is shared with nobody.
  std::string sha256;
  int32_t device = 0;
};

/// A deserialised TensorRT engine. Keeps its library open; the bytes it was made from are not needed afterwards.
class Engine {
 public:
  /// @param serialized whose hash was checked; what TensorRT cannot read is refused
  /// @param runtime_cache of an earlier process, whose hash was checked; one that does not fit is left aside
  /// @throws Error ENGINE_INVALID with TensorRT's own words, OUT_OF_MEMORY, BACKEND_UNAVAILABLE
  Engine(const std::shared_ptr<tensorrt::Library>& library, Bytes serialized, Bytes runtime_cache = {},
         const EngineIdentity& identity = {});
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  const std::vector<TensorSpec>& tensors() const;
  /// @throws Error ENGINE_INVALID, naming the tensors that there are
  const TensorSpec& tensor(const std::string& name) const;
  /// What TensorRT-RTX compiled for the shapes that ran, for the next process; empty for TensorRT, which compiles
  /// nothing then.
  std::vector<uint8_t> runtime_cache() const;

  struct Impl;

 private:
  friend class Context;
  std::unique_ptr<Impl> impl_;
};

/// What one execution of an engine works in; for one thread and one stream at a time. Must not outlive its engine.
class Context {
 public:
  /// @throws Error OUT_OF_MEMORY, BACKEND_FAILED
  explicit Context(Engine& engine);
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;
  ~Context();

  /// @throws Error BACKEND_FAILED where the shape lies outside the profile, naming the tensor, its range and the shape
  void set_shape(const std::string& input, const Dims& shape);
  /// Shape of any tensor once all inputs have theirs.
  Dims shape(const std::string& tensor) const;
  /// Bytes of device memory that a forward of these shapes works in, once all inputs have theirs.
  std::size_t activation_bytes();
  /// Where it works from now on: `activation_bytes` from `memory` on, aligned to 256 bytes, which nobody else may use
  /// while a forward is on the device.
  void set_activations(void* memory);
  /// Device memory, aligned to 256 bytes.
  void set_address(const std::string& tensor, void* memory);
  /// Whether the next forward may be captured on that stream, after one outside a capture.
  bool capturable(cuda::StreamHandle stream) const;
  /// Queues one forward; may be captured, after one run outside a capture.
  /// @throws Error BACKEND_FAILED, OUT_OF_MEMORY, DEVICE_LOST
  void enqueue(cuda::StreamHandle stream);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace t2i
