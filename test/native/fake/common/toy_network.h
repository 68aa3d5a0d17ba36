#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/failures.h"
#include "common/toy_engine.h"

// The toy networks. They are twins of TypeScript ones: every operation is rounded to float32, ties to even
// (-ffp-contract=off); inputs of 16 bits are widened first, outputs of 16 bits narrowed last. `s` is the engine's salt.
//
//   text encoder  states[b][t][d] = (((ids[b][t] * 31 + d * 7 + s) mod 64) / 64) - 0.5
//   UNet          out[r][i] = ((x[r][i] * 0.5) + (states[r][i mod (context * width)] * (timestep[r or 0] / 1000)))
//                             + s / 1024
//   decoder       image[n][c][y][x] = (latents[n][c mod channels][y div f][x div f] * 0.25) + s / 1024,
//                             f = ToyEngine::factor
//
// Any further output is filled with zeros.

namespace t2i::fake {

using Shape = std::vector<int64_t>;

/// Shape of an output for the inputs' shapes; empty where one of those is missing.
Shape output_shape(const ToyEngine& toy, const Tensor& output, const std::map<std::string, Shape>& inputs);

/// One forward: all that the device does for it, detached from the context that queued it.
struct ToyForward {
  ToyEngine toy;
  Failures failures;
  /// Of every tensor.
  std::map<std::string, Shape> shapes;
  std::map<std::string, void*> addresses;

  void run() const;
};

}  // namespace t2i::fake
