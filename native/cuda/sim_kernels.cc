#include "cuda/dispatch.h"
#include "cuda/elements.h"
#include "cuda/kernels.h"
#include "cuda/sim_device.h"

namespace t2i::cuda {

namespace {

std::size_t bytes_of_floats(int64_t count) { return static_cast<std::size_t>(count) * sizeof(float); }

}  // namespace

void launch_prepare(const PrepareArgs& args, StreamHandle stream) {
  constexpr const char* kCall = "launch_prepare";
  sim_call(kCall);
  require_timestep_type(kCall, args.timestep_type);
  const int64_t count = args.images * args.latent_size;
  sim_require(kCall, "latents", args.latents, bytes_of_floats(count));
  sim_require(kCall, "sample", args.sample, static_cast<std::size_t>(args.copies * count) * size_of(args.sample_type));
  sim_require(kCall, "timesteps", args.timesteps, sizeof(float));
  sim_require(kCall, "timestep", args.timestep, args.timestep_count * size_of(args.timestep_type));
  sim_require(kCall, "step", args.step, sizeof(int32_t));
  with_type(kCall, args.sample_type, [&](auto sample) {
    using T = decltype(sample);
    sim_enqueue(kCall, stream, [=] {
      for (int64_t i = 0; i < count; i++) prepare_element<T>(args, i);
      for (int32_t i = 0; i < args.timestep_count; i++) prepare_timestep(args, i);
    });
  });
}

void launch_step(const StepArgs& args, StreamHandle stream) {
  constexpr const char* kCall = "launch_step";
  sim_call(kCall);
  const int64_t count = args.images * args.latent_size;
  sim_require(kCall, "latents", args.latents, bytes_of_floats(count));
  sim_require(kCall, "clean", args.clean, bytes_of_floats(count));
  sim_require(kCall, "output", args.output, static_cast<std::size_t>(args.copies * count) * size_of(args.output_type));
  sim_require(kCall, "rows", args.rows, bytes_of_floats(kRowLength));
  // Only the rows on the device say how much of it is read: a plan without noise is given whatever an earlier one left.
  if (args.noise != nullptr) sim_require(kCall, "noise", args.noise, sizeof(float));
  sim_require(kCall, "settings", args.settings, sizeof(StepSettings));
  sim_require(kCall, "step", args.step, sizeof(int32_t));
  sim_require(kCall, "ticket", args.ticket, sizeof(uint32_t));
  sim_require(kCall, "progress", args.progress, sizeof(int32_t));
  with_type(kCall, args.output_type, [&](auto output) {
    using T = decltype(output);
    sim_enqueue(kCall, stream, [=] {
      const int32_t index = *args.step;
      for (int64_t i = 0; i < count; i++) step_element<T>(args, index, i);
      *args.step = index + 1;
      // The host polls it meanwhile.
      __atomic_store_n(args.progress, index + 1, __ATOMIC_RELEASE);
    });
  });
}

void launch_decoder_input(const DecoderInputArgs& args, StreamHandle stream) {
  constexpr const char* kCall = "launch_decoder_input";
  sim_call(kCall);
  sim_require(kCall, "latents", args.latents, bytes_of_floats(args.count));
  sim_require(kCall, "input", args.input, static_cast<std::size_t>(args.count) * size_of(args.type));
  with_type(kCall, args.type, [&](auto input) {
    using T = decltype(input);
    sim_enqueue(kCall, stream, [=] {
      for (int64_t i = 0; i < args.count; i++) decoder_input_element<T>(args, i);
    });
  });
}

void launch_rgb(const RgbArgs& args, StreamHandle stream) {
  constexpr const char* kCall = "launch_rgb";
  sim_call(kCall);
  const int64_t pixels = args.images * args.pixels;
  sim_require(kCall, "image", args.image, static_cast<std::size_t>(3 * pixels) * size_of(args.type));
  sim_require(kCall, "rgb", args.rgb, static_cast<std::size_t>(3 * pixels));
  sim_require(kCall, "not_a_number", args.not_a_number, sizeof(int32_t));
  with_type(kCall, args.type, [&](auto image) {
    using T = decltype(image);
    sim_enqueue(kCall, stream, [=] {
      for (int32_t i = 0; i < args.images; i++) {
        for (int64_t pixel = 0; pixel < args.pixels; pixel++) {
          if (rgb_pixel<T>(args, i, pixel)) *args.not_a_number = 1;
        }
      }
    });
  });
}

}  // namespace t2i::cuda
