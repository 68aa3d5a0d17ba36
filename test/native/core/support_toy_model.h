#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/job.h"
#include "pipeline/pipeline.h"
#include "tensorrt/library.h"

// Toy models over the stand-ins for TensorRT, and jobs for them.

namespace t2i::test {

/// Major version that stands for TensorRT-RTX.
constexpr int kRtx = 1;

/// Sizes that an engine takes along an axis; static where both are equal and `is_static` says so.
struct Batch {
  int64_t min = 1;
  int64_t max = 1;
  bool is_static = false;
};

struct ToyModel {
  int major = 10;
  /// Engines of one name share their weights; empty for none.
  std::string identity;
  int64_t channels = 4;
  int64_t context = 6;
  /// States that the text encoder gives for one prompt; 0 for one for each token.
  int64_t states = 0;
  /// Of timestep_cond; 0 for none.
  int64_t guidance_width = 0;
  int64_t width = 5;
  int64_t factor = 2;
  float scaling_factor = 0.18215f;
  float shift_factor = 0.0f;
  int32_t text_salt = 3;
  int32_t unet_salt = 7;
  int32_t decoder_salt = 11;

  DataType ids_type = DataType::int64;
  bool attention_mask = false;
  /// A second output that nobody reads.
  bool pooled_output = false;
  Batch text_batch;
  DataType encoded_type = DataType::float32;

  DataType unet_type = DataType::float32;
  DataType states_type = DataType::float32;
  DataType timestep_type = DataType::int64;
  DataType guidance_type = DataType::float32;
  /// Empty for a scalar, -1 for as many as there are rows.
  Dims timestep_dims = {1};
  Batch unet_batch = {1, 4};

  DataType decoder_type = DataType::float32;
  Batch decoder_batch = {1, 2};
  /// Largest latents, along both sides.
  int64_t largest = 64;
};

inline int64_t states_of(const ToyModel& model) { return model.states > 0 ? model.states : model.context; }

/// A TensorRT that is opened once for the whole process, as in production.
std::shared_ptr<tensorrt::Library> stand_in(int major);
/// What a stand-in's exported counter says, for example `fake_live_objects`.
int stand_in_counter(int major, const char* name);

Engines make_engines(const ToyModel& model);
ModelFacts facts_of(const ToyModel& model);
Pipeline make_pipeline(const ToyModel& model, bool use_graph = true);

/// Which of the optional terms the rows of a plan have.
struct Rows {
  bool noise = false;
  bool history = false;
};

/// A job with random ids, rows and noise; the same seed gives the same job.
Job make_job(const ToyModel& model, int32_t images, int32_t steps, Rows rows = {}, uint32_t seed = 1);
/// Gives it a negative prompt and a scale.
Job with_guidance(Job job, float scale = 5.5f);
/// Gives it latents of another size; its noise is repeated or cut off.
Job with_size(const ToyModel& model, Job job, int32_t height, int32_t width);

}  // namespace t2i::test
