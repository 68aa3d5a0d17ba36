#include "base/error.h"

namespace t2i {

const char* code_name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::backend_unavailable:
      return "BACKEND_UNAVAILABLE";
    case ErrorCode::backend_failed:
      return "BACKEND_FAILED";
    case ErrorCode::out_of_memory:
      return "OUT_OF_MEMORY";
    case ErrorCode::device_lost:
      return "DEVICE_LOST";
    case ErrorCode::engine_invalid:
      return "ENGINE_INVALID";
    case ErrorCode::engine_build_failed:
      return "ENGINE_BUILD_FAILED";
    case ErrorCode::closed:
      return "CLOSED";
    case ErrorCode::aborted:
      return "ABORTED";
    case ErrorCode::internal:
      break;
  }
  return "INTERNAL";
}

}  // namespace t2i
