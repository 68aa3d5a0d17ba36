#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/job.h"
#include "engine/engine.h"

namespace t2i {

/// The three networks of a model.
struct Engines {
  Engine text_encoder;
  Engine unet;
  Engine vae_decoder;
};

/// What TensorRT-RTX compiled for each network; see Engine::runtime_cache.
struct RuntimeCaches {
  std::vector<uint8_t> text_encoder;
  std::vector<uint8_t> unet;
  std::vector<uint8_t> vae_decoder;
};

struct PipelineOptions {
  int32_t device = 0;
  /// Capture a step as a CUDA graph and replay it; false queues every step on the plain stream.
  bool use_graph = true;
};

/// A whole request on one CUDA stream: encode the text, run the plan's rows, decode, convert to bytes. For one thread.
class Pipeline {
 public:
  /// @throws Error ENGINE_INVALID where the engines do not fit the model, OUT_OF_MEMORY, BACKEND_FAILED
  Pipeline(Engines engines, ModelFacts model, PipelineOptions options);
  ~Pipeline();

  /// The images of a job. After an error, ABORTED included, the next job starts clean; only DEVICE_LOST is for ever.
  ///
  /// @throws Error ABORTED within one step of `control.cancelled`, OUT_OF_MEMORY, BACKEND_FAILED (a shape outside the engines'
  ///   profile, an image with NaN), DEVICE_LOST
  JobResult run(const Job& job, const JobControl& control);
  RuntimeCaches runtime_caches() const;
  /// Most rows of one forward of the UNet; with guidance an image takes two.
  int64_t largest_batch() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace t2i
