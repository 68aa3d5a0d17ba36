#pragma once

#include <cstddef>

#include "cuda/resources.h"

namespace t2i {

/// Device or pinned memory that is kept from job to job and only grows.
template <typename Buffer>
class Growing {
 public:
  /// Makes room for `bytes`; what was in it is lost where it has to grow. The stream must be past every use of it.
  ///
  /// @returns whether the memory moved, so that what was captured with its address is of no use any more
  bool reserve(std::size_t bytes) {
    if (bytes <= buffer_.bytes()) return false;
    // First, so that the old and the new need not fit side by side.
    free();
    buffer_ = Buffer(bytes);
    return true;
  }
  void free() noexcept { buffer_ = Buffer(); }

  /// Null before the first `reserve`.
  template <typename T>
  T* as() const noexcept {
    return static_cast<T*>(buffer_.get());
  }

 private:
  Buffer buffer_;
};

using DeviceMemory = Growing<cuda::DeviceBuffer>;
using PinnedMemory = Growing<cuda::PinnedBuffer>;

/// Rounded up to what TensorRT asks of an address.
constexpr std::size_t align(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

}  // namespace t2i
