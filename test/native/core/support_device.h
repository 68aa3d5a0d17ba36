#pragma once

// What the tests of the simulated device share.

#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "base/error.h"
#include "cuda/device.h"
#include "cuda/resources.h"
#include "cuda/sim.h"

namespace t2i::cuda {

/// Code of the error that `action` throws.
inline ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::internal;
}

/// Every test leaves the device healed and empty.
class DeviceTest : public testing::Test {
 protected:
  void SetUp() override { live_before_ = sim_live(); }
  void TearDown() override {
    sim_fail_call(0, SimFailure::none);
    EXPECT_EQ(sim_live(), live_before_) << "something leaked";
  }

 private:
  int64_t live_before_ = 0;
};

/// Queues a function that may be replayed.
inline void enqueue(const Stream& stream, std::function<void()> work) {
  using Work = std::function<void()>;
  auto* sim = static_cast<SimStream*>(stream.get());
  sim->enqueue(
      sim, [](void* argument) { (*static_cast<Work*>(argument))(); },
      [](void* argument) { delete static_cast<Work*>(argument); }, new Work(std::move(work)));
}

}  // namespace t2i::cuda
