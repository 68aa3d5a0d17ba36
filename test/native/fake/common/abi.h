#pragma once

#include <string>
#include <vector>

#include "tensorrt/interfaces.h"

/// A C function of the stand-in; all else stays hidden within it.
#define T2I_EXPORT extern "C" __attribute__((visibility("default")))

namespace t2i::fake {

/// Whether this library stands in for TensorRT-RTX, whose major version is 1.
inline constexpr bool kRtx = T2I_FAKE_MAJOR == 1;

/// Layout of the major version that this library stands in for.
inline constexpr const tensorrt::Slots& kSlots = T2I_FAKE_MAJOR == 10 ? tensorrt::kSlots10 : tensorrt::kSlots11;

/// What getInferLibVersion says: 10.15.1, 11.4.0 and, for TensorRT-RTX, 1.7.1.
inline constexpr int kVersion = T2I_FAKE_MAJOR == 10 ? 101501 : kRtx ? 10701 : 110400;

/// As the real library does it, the first logger that it is given is everybody's from then on.
inline void* global_logger(void* given) {
  static void* const first = given;
  return first;
}

/// A caller's ILogger.
class Log {
 public:
  explicit Log(void* logger) : logger_(logger) {}
  void error(const std::string& line) const { write(tensorrt::Severity::error, line); }
  void warning(const std::string& line) const { write(tensorrt::Severity::warning, line); }

 private:
  void write(tensorrt::Severity severity, const std::string& line) const {
    tensorrt::call<void>(logger_, kSlots.log, severity, line.c_str());
  }
  void* logger_;
};

inline tensorrt::Dims64 to_dims(const std::vector<int64_t>& sizes) {
  tensorrt::Dims64 dims{static_cast<int32_t>(sizes.size()), {}};
  for (std::size_t axis = 0; axis < sizes.size(); axis++) dims.sizes[axis] = sizes[axis];
  return dims;
}

inline std::vector<int64_t> from_dims(const tensorrt::Dims64& dims) {
  return {dims.sizes.begin(), dims.sizes.begin() + dims.count};
}

/// As TensorRT returns them for an unknown name.
inline tensorrt::Dims64 no_dims() { return {-1, {}}; }

}  // namespace t2i::fake
