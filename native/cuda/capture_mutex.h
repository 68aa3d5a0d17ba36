#pragma once

#include <shared_mutex>

namespace t2i::cuda {

/// Held alone by whoever captures, shared by whoever lets TensorRT open, reshape or close an engine or queues its first
/// forward of a shape, which may wait for the whole device: CUDA refuses that while a stream of the device captures,
/// whatever the capture's mode, and spoils the capture. Opening takes seconds, so nobody waits to hold it alone. One
/// for the process, as the device is.
inline std::shared_mutex& capture_mutex() noexcept {
  static std::shared_mutex mutex;
  return mutex;
}

}  // namespace t2i::cuda
