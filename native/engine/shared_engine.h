#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tensorrt/library.h"
#include "tensorrt/log.h"
#include "tensorrt/objects.h"

namespace t2i {

/// A deserialised engine, weights and all: what sessions of one process share. TensorRT lets several threads make
/// contexts of it at once. The capture mutex must be held, shared at least, where it is made and where it ends.
struct SharedEngine {
  /// @throws Error ENGINE_INVALID with TensorRT's own words, OUT_OF_MEMORY, BACKEND_FAILED, BACKEND_UNAVAILABLE
  SharedEngine(std::shared_ptr<tensorrt::Library> opened, Bytes serialized);
  SharedEngine(const SharedEngine&) = delete;
  SharedEngine& operator=(const SharedEngine&) = delete;
  ~SharedEngine();

  std::shared_ptr<tensorrt::Library> library;
  tensorrt::Log log;
  tensorrt::Runtime runtime;
  tensorrt::CudaEngine engine;
  std::vector<TensorSpec> tensors;
};

/// The engine of that identity where somebody in this process holds it, else a new one. Whoever asks while it is being
/// deserialised waits for that.
///
/// @throws Error as SharedEngine
std::shared_ptr<SharedEngine> share_engine(const std::shared_ptr<tensorrt::Library>& library, Bytes serialized,
                                           const EngineIdentity& identity);

}  // namespace t2i
