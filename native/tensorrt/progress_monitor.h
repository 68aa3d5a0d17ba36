#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "tensorrt/interfaces.h"

namespace t2i::tensorrt {

/// Hears of a build's phases, from any of the builder's threads, and ends the build when told to.
class ProgressMonitor final : public ProgressMonitorInterface {
 public:
  /// `step` of `steps` of a phase are done, and `fraction` of the whole build, 0 to 1; that one never falls.
  using Report = std::function<void(const std::string& phase, int32_t step, int32_t steps, double fraction)>;

  /// @param cancelled ends the build at its next step
  /// @param report may be empty; what it throws is dropped
  ProgressMonitor(const std::atomic<bool>& cancelled, Report report)
      : cancelled_(cancelled), report_(std::move(report)) {}

  void phase_start(const char* phase, const char* parent, int32_t steps) noexcept override;
  bool step_complete(const char* phase, int32_t step) noexcept override;
  void phase_finish(const char* phase) noexcept override;

 private:
  const std::atomic<bool>& cancelled_;
  Report report_;
  /// A phase lies within one step of its parent; the name of that one is empty at the top.
  struct Phase {
    std::string parent;
    int32_t done;
    int32_t steps;
  };

  void report(const std::string& name, const Phase& phase);

  std::mutex mutex_;
  /// Those under way.
  std::map<std::string, Phase> phases_;
  double fraction_ = 0;
};

}  // namespace t2i::tensorrt
