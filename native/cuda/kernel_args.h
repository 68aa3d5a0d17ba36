#pragma once

// What the kernels take: plain data, for the host and for the device, whose compiler (NVRTC) knows no standard library.
// Pointers are device memory unless said.

#include <cstdint>

#include "base/dtype.h"

namespace t2i::cuda {

/// Threads of a block; each works on one element.
constexpr int kKernelBlock = 256;

/// Before the network: latents in the network's type, once for each condition, and this step's timestep.
struct PrepareArgs {
  /// [images, latent_size] float32
  const float* latents;
  /// [copies * images, latent_size]: all images of the first condition, then all of the second; float32, float16 or bfloat16
  void* sample;
  DataType sample_type;
  /// One for each step of the plan, float32.
  const float* timesteps;
  /// [timestep_count], all filled with this step's; float32, float16, bfloat16, int32 or int64 (to integers rounded, ties to even)
  void* timestep;
  DataType timestep_type;
  int32_t timestep_count;
  /// Index of the step.
  const int32_t* step;
  int32_t images;
  /// 2 with guidance, else 1.
  int32_t copies;
  int64_t latent_size;
};

/// What a request decides about a step. In device memory, so that a captured step serves every request of its shapes.
struct StepSettings {
  float guidance_scale;
  /// Largest magnitude of x0; infinity for no clamp.
  float clip;
};

/// After the network: guidance and the plan's row; then the step index goes up by one and the host is told.
struct StepArgs {
  /// [images, latent_size] float32, overwritten
  float* latents;
  /// [images, latent_size] float32: the previous estimate of the clean latents, overwritten by this step's
  float* clean;
  /// [copies * images, latent_size], the negative prompt's images first; float32, float16 or bfloat16
  const void* output;
  DataType output_type;
  /// [steps, kRowLength] float32
  const float* rows;
  /// [blocks, images, latent_size] float32; may be null where no row has noise
  const float* noise;
  /// For each step its block of noise; not read where k6 is 0.
  const int32_t* noise_blocks;
  int32_t images;
  int32_t copies;
  int64_t latent_size;
  const StepSettings* settings;
  /// Index of the step, raised by one at the end.
  int32_t* step;
  /// Counts the blocks that are done; starts at 0 and returns to it.
  uint32_t* ticket;
  /// Device address of pinned memory: steps done, for the host to poll.
  int32_t* progress;
};

/// Latents to what the decoder takes: x / scale + shift, each operation rounded to float32, then the decoder's type.
struct DecoderInputArgs {
  const float* latents;
  /// float32, float16 or bfloat16
  void* input;
  DataType type;
  float scale;
  float shift;
  int64_t count;
};

/// The decoder's image to bytes: round(255 * clamp(x / 2 + 0.5, 0, 1)), ties to even (image.h).
struct RgbArgs {
  /// [images, 3, height, width], -1 to 1; float32, float16 or bfloat16
  const void* image;
  DataType type;
  /// [images, height, width, 3]
  uint8_t* rgb;
  int32_t images;
  int64_t pixels;
  /// Set to 1 where a value is no number; the caller clears it.
  int32_t* not_a_number;
};

}  // namespace t2i::cuda
