#pragma once

// Between latents, the decoder and bytes: twins of src/backends/onnxruntime/vae-decoder.ts. Each operation is rounded
// to float32.

#include <cmath>
#include <cstdint>

#include "base/step.h"

namespace t2i {

/// What the decoder takes for a latent: x / scale + shift, `scale` and `shift` being the autoencoder's scaling and
/// shift factor.
T2I_BOTH inline float decoder_input(float latent, float scale, float shift) {
  const float scaled = latent / scale;
  return scaled + shift;
}

/// A byte of an image as diffusers' VaeImageProcessor makes it: clamp(x / 2 + 0.5, 0, 1), then round(255 * y), ties to
/// even.
///
/// @param value -1 to 1, and not NaN; what lies outside is clamped
T2I_BOTH inline uint8_t to_byte(float value) {
  const float half = value / 2.0f;
  float unit = half + 0.5f;
  if (unit < 0.0f) unit = 0.0f;
  if (unit > 1.0f) unit = 1.0f;
  const float scaled = unit * 255.0f;
  return static_cast<uint8_t>(rintf(scaled));
}

}  // namespace t2i
