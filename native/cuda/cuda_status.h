#pragma once

// From the driver's answers to typed errors; for cuda*.cc.

#include <cuda.h>

#include <string>

namespace t2i::cuda {

/// Fails fast on a device that a sticky error has taken: every call there fails until the process ends.
///
/// @throws Error DEVICE_LOST
void require_usable(const char* call);

/// @param call name of the function of the driver that gave `status`
/// @throws Error OUT_OF_MEMORY, DEVICE_LOST (remembered for the current device), BACKEND_UNAVAILABLE (no driver, no device),
///   BACKEND_FAILED, with the call's name and the driver's text
void check(const char* call, CUresult status);

/// The driver's text for an answer, its name and its number.
std::string describe(CUresult status);

}  // namespace t2i::cuda
