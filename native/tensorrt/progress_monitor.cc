#include "tensorrt/progress_monitor.h"

namespace t2i::tensorrt {

// Nothing may throw into TensorRT: a report is lost where host memory ran out.

void ProgressMonitor::phase_start(const char* phase, const char*, int32_t steps) noexcept try {
  const std::lock_guard<std::mutex> lock(mutex_);
  steps_[phase] = steps;
  if (report_) report_(phase, 0, steps);
} catch (...) {
}

bool ProgressMonitor::step_complete(const char* phase, int32_t step) noexcept {
  try {
    const std::lock_guard<std::mutex> lock(mutex_);
    // TensorRT counts from 0.
    const auto found = steps_.find(phase);
    if (report_ && found != steps_.end()) report_(phase, step + 1, found->second);
  } catch (...) {
  }
  return !cancelled_.load(std::memory_order_relaxed);
}

void ProgressMonitor::phase_finish(const char* phase) noexcept try {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = steps_.find(phase);
  if (found == steps_.end()) return;
  if (report_) report_(phase, found->second, found->second);
  steps_.erase(found);
} catch (...) {
}

}  // namespace t2i::tensorrt
