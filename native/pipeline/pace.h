#pragma once

#include <atomic>
#include <deque>
#include <functional>

#include "cuda/device.h"

namespace t2i {

/// Keeps the host a little ahead of the device: far enough that the device never waits, near enough that an abort is
/// felt at once. One for each job.
class Pace {
 public:
  /// Something that was queued on the stream.
  struct Work {
    /// Whether the device is past it; does not wait.
    std::function<bool()> passed;
    /// What the host does about it then; may be empty.
    std::function<void()> settle;
  };

  Pace(cuda::StreamHandle stream, const std::atomic<bool>& cancelled) : stream_(stream), cancelled_(cancelled) {}

  /// To be called before more is queued: settles what has passed, in order, and waits until fewer than two works are
  /// ahead.
  ///
  /// @throws Error ABORTED, whatever the device reports, whatever a `settle` throws
  void make_room() { settle_until(kAhead - 1); }
  /// Waits for what another thread of the host does.
  ///
  /// @throws Error ABORTED
  void wait_until(const std::function<bool()>& happened) const;
  void add(Work work) { ahead_.push_back(std::move(work)); }
  /// Waits for all that was queued.
  void finish() { settle_until(0); }

 private:
  static constexpr std::size_t kAhead = 2;

  void settle_until(std::size_t left);
  void wait_for_oldest() const;
  void check_cancelled() const;

  cuda::StreamHandle stream_;
  const std::atomic<bool>& cancelled_;
  /// The oldest first.
  std::deque<Work> ahead_;
};

}  // namespace t2i
