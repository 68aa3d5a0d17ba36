#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/input_profile.h"

namespace t2i {

namespace tensorrt {
class Library;
}

struct BuildOptions {
  /// External data is read relative to it.
  std::string onnx_path;
  /// One for each dynamic input.
  std::vector<InputProfile> profiles;
  /// TensorRT-RTX only: compute capabilities to build for ahead of time, for example 89; empty for `device`.
  std::vector<int32_t> compute_capabilities;
  /// Index of the one at hand; the builder's thread uses it.
  int32_t device = 0;
  /// What an earlier build recorded; empty for none. One that TensorRT refuses is left aside, with a line in the log.
  std::vector<uint8_t> timing_cache;
  /// Largest workspace in bytes; 0 for TensorRT's own choice.
  std::size_t workspace_bytes = 0;
};

/// `phase` as TensorRT names it; `step` of `steps` done, 0 to steps. Phases lie within steps of others.
struct BuildProgress {
  std::string phase;
  int32_t step;
  int32_t steps;
  /// Of the whole build, 0 to 1; never falls.
  double fraction;
};

struct BuildResult {
  std::vector<uint8_t> serialized;
  /// Empty where the library has none.
  std::vector<uint8_t> timing_cache;
  /// Warnings of the parser and the builder.
  std::vector<std::string> log;
};

/// ONNX to a strongly typed network to a serialized engine. Blocks; meant for a process of its own, which can be ended: once
/// `cancelled` is set, TensorRT stops at its next step, and some steps of a UNet take seconds.
///
/// @param cancelled may be set from another thread; ends the build with ABORTED
/// @param on_progress called on the building threads; may be empty
/// @throws Error ENGINE_BUILD_FAILED with the parser's or builder's own words, OUT_OF_MEMORY, BACKEND_UNAVAILABLE (a
///   runtime that cannot build, a missing parser, no device and no compute capabilities to build for), ABORTED
BuildResult build_engine(std::shared_ptr<tensorrt::Library> library, const BuildOptions& options,
                         const std::atomic<bool>& cancelled, std::function<void(const BuildProgress&)> on_progress);

}  // namespace t2i
