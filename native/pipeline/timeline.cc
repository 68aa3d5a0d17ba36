#include "pipeline/timeline.h"

namespace t2i {

void Timeline::mark(double Timings::* stage, cuda::StreamHandle stream) {
  if (!marks_.empty() && marks_.back() == stage) return;
  if (marks_.size() == events_.size()) events_.push_back(cuda::Event::create());
  cuda::record(events_[marks_.size()].get(), stream);
  marks_.push_back(stage);
}

Timings Timeline::read() const {
  Timings timings;
  for (std::size_t i = 0; i + 1 < marks_.size(); ++i) {
    timings.*marks_[i] += cuda::elapsed(events_[i].get(), events_[i + 1].get());
  }
  timings.total = cuda::elapsed(events_[0].get(), events_[marks_.size() - 1].get());
  return timings;
}

void Timeline::free_memory() noexcept {
  marks_.clear();
  events_.clear();
}

}  // namespace t2i
