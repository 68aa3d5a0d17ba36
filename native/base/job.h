#pragma once

// What crosses from JavaScript, copied before the thread hop, and what goes back. Plain data: node/job.cc alone reads
// JS values.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace t2i {

/// src/diffusion/plan.ts.
struct Plan {
  int32_t steps = 0;
  /// [steps]
  std::vector<float> timesteps;
  /// [steps, kRowLength]
  std::vector<float> rows;
  /// Infinity for no clamp.
  float clip = std::numeric_limits<float>::infinity();
  float init_scale = 1;
};

/// Token ids, padded to the model's context length.
struct Prompt {
  std::vector<int32_t> ids;
  /// What guidance leads away from; empty where it is off.
  std::vector<int32_t> negative_ids;
};

/// Unit normal noise of an image: a block for the first latents, then one for each row whose k6 is not 0.
struct Noise {
  /// All of it; empty where another thread draws it.
  std::vector<float> own;
  /// What that thread draws while the job runs, and how many blocks are whole, which it counts up as each is.
  const float* shared = nullptr;
  std::size_t shared_size = 0;
  const int32_t* drawn = nullptr;

  const float* data() const { return shared != nullptr ? shared : own.data(); }
  std::size_t size() const { return shared != nullptr ? shared_size : own.size(); }
  bool has(int32_t block) const { return drawn == nullptr || __atomic_load_n(drawn, __ATOMIC_ACQUIRE) > block; }
};

/// src/backends/tensorrt/native.ts, `NativeJob`: what its images have in common, and what each has of its own.
struct Job {
  /// Of each image.
  std::vector<Prompt> prompts;
  /// Of classifier-free guidance; empty where it is off.
  std::optional<float> guidance_scale;
  /// One row of the UNet's timestep_cond; empty where it takes none.
  std::vector<float> guidance_embedding;
  Plan plan;
  int32_t latent_height = 0;
  int32_t latent_width = 0;
  /// Of each image.
  std::vector<Noise> noise;
  /// Decode the clean estimate every so many steps; 0 for never.
  int32_t preview_every = 0;
  /// Whether anybody wants the steps.
  bool watched = false;
};

/// 8-bit RGB, row-major.
struct Raster {
  std::vector<uint8_t> rgb;
  int32_t width = 0;
  int32_t height = 0;
};

/// `image` has `step` of its steps done, 1 to plan.steps.
struct StepReport {
  int32_t image;
  int32_t step;
  std::optional<Raster> preview;
};

/// `image` is done.
struct ImageReport {
  int32_t image;
  Raster raster;
};

/// What a listener hears of a running job.
using Report = std::variant<StepReport, ImageReport>;

/// Milliseconds on the device.
struct Timings {
  double text_encoder = 0;
  double unet = 0;
  double vae_decoder = 0;
  double total = 0;
};

struct JobResult {
  std::vector<Raster> images;
  Timings timings;
  /// Sentences for the user, for example that graph capture failed and a plain stream was used.
  std::vector<std::string> warnings;
};

/// How a running job is watched and ended; used on the session's thread.
struct JobControl {
  /// Checked once per step.
  const std::atomic<bool>& cancelled;
  /// Called where the job is watched. Either may be empty; neither may block.
  std::function<void(StepReport&&)> on_step = {};
  std::function<void(ImageReport&&)> on_image = {};
};

/// What the pipeline must know of a model; read from its files by src/model, never assumed.
struct ModelFacts {
  int32_t latent_channels = 0;
  /// Pixels a latent pixel stands for along one side.
  int32_t vae_factor = 0;
  float scaling_factor = 1;
  float shift_factor = 0;
  int32_t context_length = 0;
  /// 0 where the UNet takes no timestep_cond.
  int32_t guidance_width = 0;
  struct {
    std::string ids;
    /// Empty where the graph has none; else it is fed ones.
    std::string attention_mask;
    std::string states;
  } text_encoder;
  struct {
    std::string sample;
    std::string timestep;
    std::string states;
    /// Empty where the graph has none.
    std::string timestep_cond;
    std::string output;
  } unet;
  struct {
    std::string latents;
    std::string image;
  } vae_decoder;
};

}  // namespace t2i
