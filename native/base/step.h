#pragma once

// The update of the latents: twin of src/diffusion/step.ts, where each formula and its source is explained. Every
// product and sum is rounded to float32 in the order written here, which needs -ffp-contract=off, and --fmad=false from
// NVRTC.

#include <cmath>

#ifdef __CUDACC__
#define T2I_BOTH __host__ __device__
#else
#define T2I_BOTH
#endif

namespace t2i {

/// Number of float32 coefficients of one plan row, k0 to k7.
constexpr int kRowLength = 8;

struct StepResult {
  /// Next latent.
  float x;
  /// Estimate of the clean latent.
  float x0;
};

/// Classifier-free guidance, u + g * (c - u).
T2I_BOTH inline float guide(float unconditional, float conditional, float scale) {
  const float difference = conditional - unconditional;
  const float scaled = scale * difference;
  return unconditional + scaled;
}

/// One latent of one plan row.
///
/// @param k the row, kRowLength long
/// @param out the network's output after guidance
/// @param noise unit normal noise; has no effect where k6 is 0
/// @param previous_x0 the estimate of the step before; has no effect where k7 is 0
/// @param clip largest magnitude of x0; infinity for no clamp
T2I_BOTH inline StepResult step(const float* k, float x, float out, float noise, float previous_x0, float clip) {
  const float clean_x = k[0] * x;
  const float clean_out = k[1] * out;
  float clean = clean_x + clean_out;
  if (clean < -clip) clean = -clip;
  if (clean > clip) clean = clip;
  const float eps_x = k[2] * x;
  const float eps_out = k[3] * out;
  const float eps = eps_x + eps_out;
  const float signal = k[4] * clean;
  const float direction = k[5] * eps;
  float next = signal + direction;
  if (k[6] != 0.0f) {
    const float fresh = k[6] * noise;
    next = next + fresh;
  }
  if (k[7] != 0.0f) {
    const float history = k[7] * previous_x0;
    next = next + history;
  }
  return {next, clean};
}

}  // namespace t2i
