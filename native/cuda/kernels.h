#pragma once

// Our own kernels. cuda_kernels.cc launches kernels.cu, sim_kernels.cc runs the same inline functions on the simulated
// device; none.cc refuses. All run in stream order and may be captured.

#include "cuda/device.h"
#include "cuda/kernel_args.h"

namespace t2i::cuda {

void launch_prepare(const PrepareArgs& args, StreamHandle stream);
void launch_step(const StepArgs& args, StreamHandle stream);
void launch_decoder_input(const DecoderInputArgs& args, StreamHandle stream);
void launch_rgb(const RgbArgs& args, StreamHandle stream);

}  // namespace t2i::cuda
