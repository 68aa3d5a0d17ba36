#pragma once

// What each kernel does for one element: shared by kernels.cu and sim_kernels.cc, so that the simulated device computes
// the same addresses and the same bits.

#include "base/bfloat16.h"
#include "base/half.h"
#include "base/image.h"
#include "base/step.h"
#include "cuda/kernel_args.h"

namespace t2i::cuda {

/// Latent `i`, 0 to images * latent_size, into the network's sample.
template <typename T>
T2I_BOTH inline void prepare_element(const PrepareArgs& args, int64_t i) {
  const int64_t count = args.images * args.latent_size;
  const T value = narrow<T>(args.latents[i]);
  for (int32_t copy = 0; copy < args.copies; copy++) static_cast<T*>(args.sample)[copy * count + i] = value;
}

/// Element `i` of the network's timestep.
T2I_BOTH inline void prepare_timestep(const PrepareArgs& args, int32_t i) {
  const float timestep = args.timesteps[*args.step];
  switch (args.timestep_type) {
    case DataType::float16:
      static_cast<Half*>(args.timestep)[i] = to_half(timestep);
      break;
    case DataType::bfloat16:
      static_cast<BFloat16*>(args.timestep)[i] = to_bfloat16(timestep);
      break;
    case DataType::int32:
      static_cast<int32_t*>(args.timestep)[i] = static_cast<int32_t>(rintf(timestep));
      break;
    case DataType::int64:
      static_cast<int64_t*>(args.timestep)[i] = static_cast<int64_t>(rintf(timestep));
      break;
    default:
      static_cast<float*>(args.timestep)[i] = timestep;
  }
}

/// Latent `i`, 0 to images * latent_size, in the plan's row `index`.
template <typename T>
T2I_BOTH inline void step_element(const StepArgs& args, int32_t index, int64_t i) {
  const int64_t count = args.images * args.latent_size;
  const T* output = static_cast<const T*>(args.output);
  const float* row = args.rows + static_cast<int64_t>(index) * kRowLength;
  float out = widen(output[i]);
  if (args.copies == 2) out = guide(out, widen(output[count + i]), args.settings->guidance_scale);
  const float noise = row[6] != 0.0f ? args.noise[args.noise_blocks[index] * count + i] : 0.0f;
  const StepResult next = step(row, args.latents[i], out, noise, args.clean[i], args.settings->clip);
  args.latents[i] = next.x;
  args.clean[i] = next.x0;
}

/// Element `i` of the decoder's input, 0 to count.
template <typename T>
T2I_BOTH inline void decoder_input_element(const DecoderInputArgs& args, int64_t i) {
  static_cast<T*>(args.input)[i] = narrow<T>(decoder_input(args.latents[i], args.scale, args.shift));
}

/// Pixel `pixel` of image `image`.
///
/// @returns whether one of its values is no number
template <typename T>
T2I_BOTH inline bool rgb_pixel(const RgbArgs& args, int32_t image, int64_t pixel) {
  const T* values = static_cast<const T*>(args.image) + 3 * image * args.pixels + pixel;
  uint8_t* bytes = args.rgb + 3 * (image * args.pixels + pixel);
  bool not_a_number = false;
  for (int channel = 0; channel < 3; channel++) {
    const float value = widen(values[channel * args.pixels]);
    if (value != value) {
      not_a_number = true;
      bytes[channel] = 0;
    } else {
      bytes[channel] = to_byte(value);
    }
  }
  return not_a_number;
}

}  // namespace t2i::cuda
