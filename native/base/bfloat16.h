#pragma once

// bfloat16, the upper half of a float32's bits, for the host and the device: twin of src/diffusion/bfloat16.ts. Our own
// conversion, as in half.h, and GPUs before compute capability 8.0 have none.

#include <cstdint>

#include "base/half.h"

namespace t2i {

/// A bfloat16 pattern.
struct BFloat16 {
  uint16_t bits;
};

/// Nearest bfloat16, ties to even; infinity from 2^128 - 2^119 on; every NaN becomes the quiet one.
T2I_BOTH inline BFloat16 to_bfloat16(float value) {
  const uint32_t pattern = bits_of(value);
  if ((pattern & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>(((pattern >> 16) & 0x8000u) | 0x7fc0u)};
  return {static_cast<uint16_t>((pattern + 0x7fffu + ((pattern >> 16) & 1u)) >> 16)};
}

/// Exact.
T2I_BOTH inline float from_bfloat16(BFloat16 value) { return float_of(static_cast<uint32_t>(value.bits) << 16); }

T2I_BOTH inline float widen(BFloat16 value) { return from_bfloat16(value); }
template <>
T2I_BOTH inline BFloat16 narrow<BFloat16>(float value) {
  return to_bfloat16(value);
}

}  // namespace t2i
