#pragma once

// What sim.cc gives sim_kernels.cc.

#include <functional>

#include "cuda/device.h"

namespace t2i::cuda {

/// Counts one call of the seam; throws where it is the one that shall fail, or the device is lost.
void sim_call(const char* name);

/// Throws where `bytes` from `memory` on do not lie within one allocation, device or pinned.
void sim_require(const char* call, const char* what, const void* memory, std::size_t bytes);

/// Queues `work` on a stream, or records it.
void sim_enqueue(const char* call, StreamHandle stream, std::function<void()> work);

}  // namespace t2i::cuda
