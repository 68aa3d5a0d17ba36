// What of the update formula is awkward to see from JavaScript; that it equals src/diffusion/step.ts is tested there.

#include "base/step.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace t2i {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(StepTest, NoiseAndHistoryWithoutACoefficientHaveNoEffect) {
  const float row[kRowLength] = {1, 0, 0, 1, 1, 1, 0, 0};
  const StepResult result = step(row, 2, 3, kNaN, kNaN, kInfinity);
  EXPECT_EQ(result.x, 5);
  EXPECT_EQ(result.x0, 2);
}

TEST(StepTest, TheClampHoldsInfinitiesAndKeepsNaN) {
  const float row[kRowLength] = {1, 0, 0, 0, 1, 0, 0, 0};
  EXPECT_EQ(step(row, kInfinity, 0, 0, 0, 2).x0, 2);
  EXPECT_EQ(step(row, -kInfinity, 0, 0, 0, 2).x0, -2);
  EXPECT_TRUE(std::isnan(step(row, kNaN, 0, 0, 0, 2).x0));
}

TEST(StepTest, EveryProductIsRounded) {
  // (1 + u)^2 - (1 + 2u) is u^2 when the product is not rounded, and 0 when it is.
  const float u = 0x1p-23f;
  volatile float x = 1 + u;
  const float row[kRowLength] = {x, 1, 0, 0, 1, 0, 0, 0};
  EXPECT_EQ(step(row, x, -(1 + 2 * u), 0, 0, kInfinity).x0, 0);
}

}  // namespace
}  // namespace t2i
