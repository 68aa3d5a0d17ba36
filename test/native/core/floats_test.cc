// The conversions to the 16-bit element types and back, over every pattern.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/bfloat16.h"
#include "base/half.h"

namespace t2i {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(HalfTest, EveryPatternSurvivesTheWayThroughFloat) {
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    const Half half{static_cast<uint16_t>(bits)};
    const float value = from_half(half);
    if (std::isnan(value)) {
      EXPECT_GT(bits & 0x7fffu, 0x7c00u);
      EXPECT_EQ(to_half(value).bits, (bits & 0x8000u) | 0x7e00u);
    } else {
      ASSERT_EQ(to_half(value).bits, bits);
    }
  }
}

TEST(HalfTest, RoundsToTheNearestTiesToEven) {
  // Between every two neighbours: the middle goes to the even one, what lies beside it to the nearer.
  for (uint32_t bits = 0; bits < 0x7bff; bits++) {
    const float low = from_half({static_cast<uint16_t>(bits)});
    const float high = from_half({static_cast<uint16_t>(bits + 1)});
    const float middle = (low + high) / 2;
    ASSERT_EQ(to_half(middle).bits, bits + (bits & 1));
    ASSERT_EQ(to_half(std::nextafter(middle, 0.0f)).bits, bits);
    ASSERT_EQ(to_half(-std::nextafter(middle, kInfinity)).bits, 0x8000u | (bits + 1));
  }
  EXPECT_EQ(to_half(65519.99f).bits, 0x7bffu);
  EXPECT_EQ(to_half(65520.0f).bits, 0x7c00u);
  EXPECT_EQ(to_half(1e30f).bits, 0x7c00u);
  EXPECT_EQ(to_half(-kInfinity).bits, 0xfc00u);
  EXPECT_EQ(to_half(1e-40f).bits, 0u);
}

TEST(BFloat16Test, EveryPatternSurvivesTheWayThroughFloat) {
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    const float value = from_bfloat16({static_cast<uint16_t>(bits)});
    if (std::isnan(value)) {
      EXPECT_GT(bits & 0x7fffu, 0x7f80u);
      EXPECT_EQ(to_bfloat16(value).bits, (bits & 0x8000u) | 0x7fc0u);
    } else {
      ASSERT_EQ(to_bfloat16(value).bits, bits);
    }
  }
}

TEST(BFloat16Test, RoundsToTheNearestTiesToEven) {
  // Between every two neighbours, denormals and infinity among them: the middle goes to the even one, what lies beside
  // it to the nearer. The middle's bits lie in the middle too, also where the sum of the two would overflow.
  for (uint32_t bits = 0; bits < 0x7f80; bits++) {
    const float middle = float_of((bits << 16) + 0x8000u);
    ASSERT_EQ(to_bfloat16(middle).bits, bits + (bits & 1));
    ASSERT_EQ(to_bfloat16(std::nextafter(middle, 0.0f)).bits, bits);
    ASSERT_EQ(to_bfloat16(-std::nextafter(middle, kInfinity)).bits, 0x8000u | (bits + 1));
  }
}

TEST(BFloat16Test, HoldsTheRangeOfFloat32) {
  EXPECT_EQ(to_bfloat16(65520.0f).bits, 0x4780u) << "infinity as a half";
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::max()).bits, 0x7f80u) << "nearer to 2^128 than to the largest";
  EXPECT_EQ(to_bfloat16(std::nextafter(0x1.ffp127f, 0.0f)).bits, 0x7f7fu);
  EXPECT_EQ(to_bfloat16(0x1.ffp127f).bits, 0x7f80u) << "2^128 - 2^119 goes to the even one, infinity";
  EXPECT_EQ(to_bfloat16(-kInfinity).bits, 0xff80u);
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::min()).bits, 0x0080u);
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::denorm_min()).bits, 0u);
  EXPECT_EQ(to_bfloat16(-0.0f).bits, 0x8000u);
  // Its payload is in the bits that are cut off: what is left of them would be an infinity.
  EXPECT_EQ(to_bfloat16(float_of(0x7f800001u)).bits, 0x7fc0u);
  EXPECT_EQ(to_bfloat16(float_of(0xffffffffu)).bits, 0xffc0u);
}

}  // namespace
}  // namespace t2i
