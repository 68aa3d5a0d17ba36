#pragma once

#include <cstdint>

#include "base/job.h"
#include "cuda/growing_buffer.h"
#include "pipeline/pace.h"
#include "pipeline/pass.h"

namespace t2i {

/// The noise of a pass on its way to the device: each block is copied ahead of the step that adds it. So a job starts
/// as soon as its first latents are drawn, and two blocks are all that the device holds.
class NoiseUpload {
 public:
  /// Makes room for a pass. The stream must be past the one before.
  ///
  /// @returns whether the device's memory moved
  bool reserve(int32_t images, int64_t latent_size);
  /// Queues the first latents, [images, latent_size] float32 on the device. `job` must live as long as the pass.
  ///
  /// @throws Error ABORTED while it waits for them to be drawn
  void begin(const Job& job, const Pass& pass, float* latents, Pace& pace, cuda::StreamHandle stream);
  /// Queues what the next step adds, where it adds any. All but the last of the steps before must have passed.
  ///
  /// @throws Error ABORTED while it waits for it to be drawn
  void queue_next(Pace& pace, cuda::StreamHandle stream);
  /// [kNoiseSlots, images, latent_size] float32 on the device.
  const float* device() const noexcept { return device_.as<float>(); }
  void free_memory() noexcept;

 private:
  std::size_t block_size() const { return static_cast<std::size_t>(pass_.computed * latent_size_); }
  /// Waits for block `block` of each image, and writes them, each value times `scale`.
  void stage(int32_t block, float scale, float* target, Pace& pace) const;

  const Job* job_ = nullptr;
  Pass pass_{};
  int64_t latent_size_ = 0;
  int32_t step_ = 0;
  /// The one that is uploaded next.
  int32_t block_ = 0;
  DeviceMemory device_;
  /// The first latents, then the slots.
  PinnedMemory staging_;
};

}  // namespace t2i
