#include "pipeline/pace.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.h"

namespace t2i {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

/// A short step passes while the host spins; for a long one it sleeps.
constexpr microseconds kSpin{50};
constexpr microseconds kShortestSleep{20};
constexpr microseconds kLongestSleep{100};
/// Between looks at the stream itself, which tell whether it failed.
constexpr int kSleepsPerLook = 50;

}  // namespace

void Pace::settle_until(std::size_t left) {
  check_cancelled();
  while (!ahead_.empty() && (ahead_.size() > left || ahead_.front().passed())) {
    wait_for_oldest();
    const Work work = std::move(ahead_.front());
    ahead_.pop_front();
    if (work.settle) work.settle();
    check_cancelled();
  }
}

void Pace::wait_for_oldest() const {
  const Work& work = ahead_.front();
  const auto start = Clock::now();
  microseconds sleep = kShortestSleep;
  for (int sleeps = 1; !work.passed();) {
    check_cancelled();
    if (Clock::now() - start < kSpin) continue;
    std::this_thread::sleep_for(sleep);
    sleep = std::min(2 * sleep, kLongestSleep);
    // Looked at again afterwards, for it may have passed in between.
    if (sleeps++ % kSleepsPerLook == 0 && cuda::finished(stream_) && !work.passed()) {
      throw Error(ErrorCode::internal, "The device finished without doing all that was queued.");
    }
  }
}

void Pace::wait_until(const std::function<bool()>& happened) const {
  while (!happened()) {
    check_cancelled();
    std::this_thread::sleep_for(kLongestSleep);
  }
}

void Pace::check_cancelled() const {
  if (cancelled_.load(std::memory_order_relaxed)) throw Error(ErrorCode::aborted, "The job was aborted.");
}

}  // namespace t2i
