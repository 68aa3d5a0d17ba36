#pragma once

#include <cstdint>

namespace t2i {

/// Images of a job that are denoised together: `count` of them from `first` on.
struct Pass {
  int32_t first;
  int32_t count;
  /// Images that are computed, the same in every pass of a job, so that one captured step serves all. Those beyond
  /// `count` repeat the last one.
  int32_t computed;
};

}  // namespace t2i
