#pragma once

#include <algorithm>

#include "dims.h"
#include "tensorrt/interfaces.h"

namespace t2i::tensorrt {

/// @param dims no more than Dims64::kMax sizes
inline Dims64 to_dims64(const Dims& dims) {
  Dims64 result{static_cast<int32_t>(dims.size()), {}};
  std::copy(dims.begin(), dims.end(), result.sizes.begin());
  return result;
}

/// Empty for an unknown tensor too, whose count is -1.
inline Dims from_dims64(const Dims64& dims) {
  return {dims.sizes.begin(), dims.sizes.begin() + std::max(dims.count, 0)};
}

}  // namespace t2i::tensorrt
