#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/job.h"
#include "cuda/resources.h"

namespace t2i {

/// Where a job's time on the device goes: marks in the stream, each the start of a stage and the end of the one before.
class Timeline {
 public:
  /// Starts a job's timeline.
  void clear() noexcept { marks_.clear(); }
  /// From here on the stream works for `stage`, a member of Timings; null at the end.
  void mark(double Timings::* stage, cuda::StreamHandle stream);
  /// Once the stream is past the last mark.
  Timings read() const;
  void free_memory() noexcept;

 private:
  /// Kept from job to job.
  std::vector<cuda::Event> events_;
  /// The stage that each event starts.
  std::vector<double Timings::*> marks_;
};

}  // namespace t2i
