#pragma once

// IEEE 754 binary16, for the host and the device: twin of src/diffusion/float16.ts. Our own conversion and not the
// device's instruction, so that NaN too has the same bits everywhere.

#include <cstdint>
#include <cstring>

#include "base/step.h"

namespace t2i {

/// A binary16 pattern.
struct Half {
  uint16_t bits;
};

T2I_BOTH inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

T2I_BOTH inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// Nearest half, ties to even; infinity from 65520 on; every NaN becomes the quiet one.
T2I_BOTH inline Half to_half(float value) {
  const uint32_t pattern = bits_of(value);
  const uint32_t sign = (pattern >> 16) & 0x8000u;
  const uint32_t magnitude = pattern & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};
  if (magnitude < 0x38800000u) {
    // Below 2^-14 halves count units of 2^-24, and so does a float beside 0.5: the addition rounds.
    return {static_cast<uint16_t>(sign | (bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f)))};
  }
  // Rebias the exponent from 127 to 15, then round away the 13 low bits of the mantissa.
  const uint32_t rebiased = magnitude - ((127u - 15u) << 23);
  return {static_cast<uint16_t>(sign | ((rebiased + 0xfffu + ((rebiased >> 13) & 1u)) >> 13))};
}

/// Exact.
T2I_BOTH inline float from_half(Half half) {
  const uint32_t sign = (half.bits & 0x8000u) << 16;
  const uint32_t exponent = (half.bits >> 10) & 0x1fu;
  const uint32_t mantissa = half.bits & 0x3ffu;
  if (exponent == 0x1fu) return float_of(sign | 0x7f800000u | (mantissa != 0 ? 0x400000u | (mantissa << 13) : 0u));
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return float_of(sign | ((exponent + 127u - 15u) << 23) | (mantissa << 13));
}

// The same words for every element type of a network's tensors; bfloat16.h adds its own.

T2I_BOTH inline float widen(float value) { return value; }
T2I_BOTH inline float widen(Half value) { return from_half(value); }
template <typename T>
T2I_BOTH inline T narrow(float value);
template <>
T2I_BOTH inline float narrow<float>(float value) {
  return value;
}
template <>
T2I_BOTH inline Half narrow<Half>(float value) {
  return to_half(value);
}

}  // namespace t2i
