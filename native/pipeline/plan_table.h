#pragma once

#include <cstdint>

#include "base/job.h"
#include "cuda/growing_buffer.h"
#include "cuda/kernels.h"

namespace t2i {

/// Blocks of noise that are on the device at once: the one that a step reads, and the one of the step after it.
constexpr int32_t kNoiseSlots = 2;
/// Where a block lies there; blocks are counted from the one of the first latents.
constexpr int32_t noise_slot(int32_t block) { return block % kNoiseSlots; }

/// Whether a step, counted from 0, adds noise.
bool has_noise(const Plan& plan, int32_t step);

/// Blocks of noise that a plan's rows take for each image: one for each row whose k6 is not 0.
int32_t noise_blocks(const Plan& plan);

/// A plan on the device, and all else that a captured step reads anew for every request.
class PlanTable {
 public:
  /// @returns whether the memory moved
  bool reserve(int32_t steps);
  /// Queues the upload. The stream must be past the one before.
  void upload(const Plan& plan, float guidance_scale, cuda::StreamHandle stream);
  void free_memory() noexcept;

  const cuda::StepSettings* settings() const noexcept { return at<cuda::StepSettings>(device_, 0); }
  const float* timesteps() const noexcept { return at<float>(device_, layout_.timesteps); }
  const float* rows() const noexcept { return at<float>(device_, layout_.rows); }
  /// For each step the slot of its noise.
  const int32_t* blocks() const noexcept { return at<int32_t>(device_, layout_.blocks); }

 private:
  /// Offsets in bytes, behind the settings.
  struct Layout {
    std::size_t timesteps = 0;
    std::size_t rows = 0;
    std::size_t blocks = 0;
    std::size_t bytes = 0;
    /// Steps there is room for.
    int32_t steps = 0;
  };
  static Layout layout_for(int32_t steps);
  template <typename T, typename Memory>
  static T* at(const Memory& memory, std::size_t offset) noexcept {
    return reinterpret_cast<T*>(memory.template as<char>() + offset);
  }

  DeviceMemory device_;
  PinnedMemory staging_;
  Layout layout_;
};

}  // namespace t2i
