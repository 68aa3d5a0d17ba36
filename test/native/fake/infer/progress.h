#pragma once

#include "common/abi.h"

namespace t2i::fake {

/// Tells a caller's IProgressMonitor, if there is one, of phases within phases.
class Progress {
 public:
  explicit Progress(void* monitor) : monitor_(monitor) {}

  /// Runs a phase step by step. `step(i)` returns false where a phase within it was cancelled.
  /// @returns false where the caller cancelled
  template <typename Step>
  bool phase(const char* name, const char* parent, int32_t steps, Step step) const {
    if (monitor_ != nullptr) tensorrt::call<void>(monitor_, kSlots.phase_start, name, parent, steps);
    bool goes_on = true;
    for (int32_t i = 0; goes_on && i < steps; i++) {
      goes_on = step(i) && (monitor_ == nullptr || tensorrt::call<bool>(monitor_, kSlots.phase_start + 1, name, i));
    }
    if (monitor_ != nullptr) tensorrt::call<void>(monitor_, kSlots.phase_start + 2, name);
    return goes_on;
  }

 private:
  void* monitor_;
};

}  // namespace t2i::fake
