#pragma once

#include <string>

#include "base/error.h"
#include "tensorrt/log.h"

namespace t2i::tensorrt {

/// The error for something that TensorRT refused, with its own words; takes them off the log, so that the next error
/// has its own alone.
///
/// @param what a clause that names it, for example `the engine cannot be read`
/// @param code where the words do not say that memory ran out
/// @param hint what helps, unless memory ran out
inline Error failure(Log& log, ErrorCode code, const std::string& what, const std::string& hint = {}) {
  const bool out_of_memory = log.out_of_memory();
  const std::string message = what + ": " + log.words("TensorRT said nothing");
  log.clear();
  if (!out_of_memory) return Error(code, message, hint);
  return Error(ErrorCode::out_of_memory, message,
               "Use a smaller size or fewer images at once, or end other programs that use the GPU.");
}

}  // namespace t2i::tensorrt
