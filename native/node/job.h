#pragma once

#include <napi.h>

#include <vector>

#include "base/job.h"
#include "node/argument.h"

namespace t2i {

/// NativeModel of src/backends/tensorrt/native.ts.
ModelFacts read_model(const Argument& model);

/// A copy of a NativeJob, checked against the model: lengths of ids, rows, timesteps and noise. Noise that another thread
/// draws stays where it is: its arrays must be kept.
Job read_job(const Argument& job, const ModelFacts& model);

/// NativeResult.
Napi::Object to_js(Napi::Env env, JobResult&& result);

/// NativeSteps and NativeImages, for a plan of `steps` steps.
Napi::Array to_js(Napi::Env env, std::vector<Report>&& reports, int32_t steps);

}  // namespace t2i
