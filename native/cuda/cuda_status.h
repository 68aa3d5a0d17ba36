#pragma once

// From CUDA's error numbers to typed errors; for cuda.cc and step.cu.

#include <cuda_runtime_api.h>

namespace t2i::cuda {

/// Fails fast on a device that a sticky error has taken: every call there fails until the process ends.
///
/// @throws Error DEVICE_LOST
void require_usable(const char* call);

/// @param call name of the CUDA function that gave `status`
/// @throws Error OUT_OF_MEMORY, DEVICE_LOST (remembered for the current device), BACKEND_UNAVAILABLE (no driver, no
/// device),
///   BACKEND_FAILED, with the call's name and CUDA's text
void check(const char* call, cudaError_t status);

/// For functions that cannot throw: CUDA shall not report this failure again at the next call.
void forget(cudaError_t status) noexcept;

}  // namespace t2i::cuda
