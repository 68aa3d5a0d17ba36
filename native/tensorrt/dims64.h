#pragma once

#include <algorithm>
#include <string>

#include "base/dims.h"
#include "base/error.h"
#include "tensorrt/interfaces.h"

namespace t2i::tensorrt {

/// @throws Error BACKEND_FAILED beyond the eight sizes that TensorRT knows
inline Dims64 to_dims64(const Dims& dims) {
  if (dims.size() > Dims64::kMax) {
    throw Error(ErrorCode::backend_failed, "expected at most " + std::to_string(Dims64::kMax) +
                                               " dimensions, received " + std::to_string(dims.size()));
  }
  Dims64 result{static_cast<int32_t>(dims.size()), {}};
  std::copy(dims.begin(), dims.end(), result.sizes.begin());
  return result;
}

/// Empty for an unknown tensor too, whose count is -1.
inline Dims from_dims64(const Dims64& dims) {
  return {dims.sizes.begin(), dims.sizes.begin() + std::max(dims.count, 0)};
}

}  // namespace t2i::tensorrt
