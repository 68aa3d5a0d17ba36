#pragma once

// From the element type of a tensor to a C++ type; for both implementations of the kernels.

#include <string>

#include "base/bfloat16.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/half.h"

namespace t2i::cuda {

/// Calls `launch` with a value of the C++ type of a network's tensor: float, Half or BFloat16.
///
/// @throws Error BACKEND_FAILED for any other type
template <typename Launch>
void with_type(const char* call, DataType type, Launch launch) {
  if (type == DataType::float32) return launch(float{});
  if (type == DataType::float16) return launch(Half{});
  if (type == DataType::bfloat16) return launch(BFloat16{});
  throw Error(ErrorCode::backend_failed, std::string(call) +
                                             ": expected a float32, float16 or bfloat16 tensor, received type " +
                                             std::to_string(static_cast<int>(type)));
}

/// @throws Error BACKEND_FAILED for a type that no timestep has
inline void require_timestep_type(const char* call, DataType type) {
  if (type == DataType::float32 || type == DataType::float16 || type == DataType::bfloat16 || type == DataType::int32 ||
      type == DataType::int64) {
    return;
  }
  throw Error(ErrorCode::backend_failed,
              std::string(call) +
                  ": expected a timestep of float32, float16, bfloat16, int32 or int64, received type " +
                  std::to_string(static_cast<int>(type)));
}

}  // namespace t2i::cuda
