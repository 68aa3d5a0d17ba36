#pragma once

#include "cuda/growing_buffer.h"
#include "cuda/resources.h"

namespace t2i {

/// What the networks of a pipeline work in, one after the other on its stream: as much as the largest of them needs,
/// not the sum.
class Activations {
 public:
  /// @param stream the one that all of them run on
  explicit Activations(const cuda::Stream& stream) : stream_(stream) {}

  /// Makes room. Where it moves, forwards that are queued are waited for, and what was captured is of no use any more.
  void reserve(std::size_t bytes) {
    if (bytes <= bytes_) return;
    if (stream_) cuda::synchronize(stream_.get());
    bytes_ = 0;
    memory_.reserve(bytes);
    bytes_ = bytes;
    ++moves_;
  }
  void* memory() const noexcept { return memory_.as<void>(); }
  /// How often it moved.
  int64_t moves() const noexcept { return moves_; }
  void free_memory() noexcept {
    memory_.free();
    bytes_ = 0;
  }

 private:
  const cuda::Stream& stream_;
  DeviceMemory memory_;
  std::size_t bytes_ = 0;
  int64_t moves_ = 0;
};

}  // namespace t2i
