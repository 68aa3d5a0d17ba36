#pragma once

#include <cstdint>
#include <cstdlib>

namespace t2i::fake {

/// The simulated device's compute capability, as native/cuda/sim_device.cc takes it.
inline int64_t device_capability() {
  const char* given = std::getenv("T2I_SIM_COMPUTE");
  return given == nullptr ? 89 : std::atoi(given);
}

}  // namespace t2i::fake
