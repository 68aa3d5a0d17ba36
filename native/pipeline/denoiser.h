#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/job.h"
#include "cuda/kernels.h"
#include "pipeline/network.h"
#include "pipeline/noise_upload.h"
#include "pipeline/pass.h"
#include "pipeline/plan_table.h"
#include "pipeline/shaped_steps.h"

namespace t2i {

/// What the UNet is told besides the latents.
struct Conditions {
  /// `count` of each image, the negative prompt's first where guidance is on.
  std::vector<const void*> states;
  /// [states, width] of each.
  Dims shape;
  int32_t count = 1;

  const void* of(int32_t image, int32_t condition) const {
    return states[static_cast<std::size_t>(image) * static_cast<std::size_t>(count) +
                  static_cast<std::size_t>(condition)];
  }
};

/// The UNet between the two kernels of a step. A step of n images is one forward at batch 2n with guidance, n
/// without; engines whose batch is below the number of conditions run one forward for each condition.
class Denoiser {
 public:
  Denoiser(Engine& unet, const ModelFacts& model, bool use_graph, Activations& activations);

  DataType states_type() const { return unet_.tensor(model_.unet.states).type; }
  /// The fewest passes that the engine's largest batch allows, of nearly equal size; the last may be short.
  std::vector<Pass> passes(int32_t images, int32_t conditions) const;
  /// To be called at the start of a job.
  void start() noexcept { steps_.try_again(); }
  /// Queues what the steps of a pass read: plan, conditions, first latents. Every step queued before must have passed.
  ///
  /// @throws Error ABORTED, OUT_OF_MEMORY, BACKEND_FAILED outside the profile, DEVICE_LOST
  void begin(const Job& job, const Pass& pass, const Conditions& conditions, Pace& pace, cuda::StreamHandle stream);
  /// Queues the next step of the pass, with its noise. All but the last of those before must have passed.
  ///
  /// @param again whether it is not the last of the job
  void step(Pace& pace, cuda::StreamHandle stream, bool again, std::vector<std::string>& warnings);
  /// Steps of the pass that the device has done.
  int32_t steps_done() const noexcept;

  /// [images, channels, height, width] float32 on the device.
  const float* latents() const noexcept { return latents_.as<float>(); }
  /// The same of the clean estimate.
  const float* clean() const noexcept { return clean_.as<float>(); }
  void free_memory() noexcept;

 private:
  int32_t forwards(int32_t conditions) const { return rows_.max < conditions ? conditions : 1; }
  void shape_network(const Dims& latent, const Dims& states, const Batching& batching, int32_t steps);
  void set_conditions(const Pass& pass, const Conditions& conditions, cuda::StreamHandle stream);
  std::size_t guidance_bytes() const;
  void upload_guidance(const Job& job, cuda::StreamHandle stream);
  void queue_step(cuda::StreamHandle stream);
  void forward(int32_t index, cuda::StreamHandle stream);
  cuda::PrepareArgs prepare_args() const;
  cuda::StepArgs step_args() const;

  Engine& unet_;
  ModelFacts model_;
  Activations& activations_;
  /// Of the activations, when steps were captured with their address.
  int64_t moves_ = 0;
  Range rows_;
  ShapedSteps steps_;
  /// The one of the pass that was begun last.
  ShapedStep* shaped_ = nullptr;
  PlanTable plan_;
  int64_t latent_size_ = 0;
  int64_t timestep_count_ = 0;
  std::size_t sample_bytes_ = 0;
  std::size_t output_row_bytes_ = 0;
  /// Between the states of two forwards.
  std::size_t states_stride_ = 0;
  DeviceMemory sample_;
  DeviceMemory timestep_;
  DeviceMemory states_;
  /// timestep_cond, and what it is copied from; empty where the UNet takes none.
  DeviceMemory guidance_;
  PinnedMemory guidance_staging_;
  DeviceMemory output_;
  /// One row, where the rows of `output_` are not aligned.
  DeviceMemory output_row_;
  DeviceMemory latents_;
  DeviceMemory clean_;
  NoiseUpload noise_;
  /// Step index and ticket of the kernels.
  DeviceMemory counters_;
  /// The steps done, written by the device.
  PinnedMemory progress_;
  int32_t* progress_address_ = nullptr;
};

}  // namespace t2i
