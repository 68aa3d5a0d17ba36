#include "tensorrt/progress_monitor.h"

#include <algorithm>

namespace t2i::tensorrt {

// Nothing may throw into TensorRT: a report is lost where host memory ran out.

void ProgressMonitor::phase_start(const char* phase, const char* parent, int32_t steps) noexcept try {
  const std::lock_guard<std::mutex> lock(mutex_);
  report(phase, phases_[phase] = {parent == nullptr ? "" : parent, 0, steps});
} catch (...) {
}

bool ProgressMonitor::step_complete(const char* phase, int32_t step) noexcept {
  try {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = phases_.find(phase);
    if (found != phases_.end()) {
      // TensorRT counts from 0.
      found->second.done = step + 1;
      report(phase, found->second);
    }
  } catch (...) {
  }
  return !cancelled_.load(std::memory_order_relaxed);
}

void ProgressMonitor::phase_finish(const char* phase) noexcept try {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = phases_.find(phase);
  if (found == phases_.end()) return;
  found->second.done = found->second.steps;
  report(phase, found->second);
  phases_.erase(found);
} catch (...) {
}

void ProgressMonitor::report(const std::string& name, const Phase& phase) {
  if (!report_) return;
  double share = 0;
  const Phase* at = &phase;
  // Every parent is under way itself; the count ends where names run in a circle.
  for (std::size_t depth = 0; depth <= phases_.size(); ++depth) {
    share = at->steps > 0 ? std::min(1.0, (at->done + share) / at->steps) : 0;
    const auto parent = phases_.find(at->parent);
    if (parent == phases_.end()) break;
    at = &parent->second;
  }
  fraction_ = std::max(fraction_, share);
  report_(name, phase.done, phase.steps, fraction_);
}

}  // namespace t2i::tensorrt
