// Our kernels on CUDA, compiled by NVRTC (native/tools/kernels.py): device code alone. They touch a few hundred
// kilobytes at most beside a network that reads hundreds of megabytes: what counts is that they are few and short, so
// each element is one thread and nothing is vectorised.
//
// Compiled with --fmad=false: see step.h.

#include "cuda/elements.h"

namespace t2i::cuda {

namespace {

constexpr int kBlock = kKernelBlock;

__device__ int64_t element_index() { return static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x; }

template <typename T>
__device__ void prepare(const PrepareArgs& args) {
  const int64_t i = element_index();
  if (i < args.images * args.latent_size) prepare_element<T>(args, i);
  if (i < args.timestep_count) prepare_timestep(args, static_cast<int32_t>(i));
}

template <typename T>
__device__ void step(const StepArgs& args) {
  const int32_t index = *args.step;
  const int64_t i = element_index();
  if (i < args.images * args.latent_size) step_element<T>(args, index, i);

  // Every block has read the index before it draws its ticket, so the one that draws the last may raise it.
  __syncthreads();
  if (threadIdx.x != 0) return;
  __threadfence();
  const unsigned last = gridDim.x - 1;
  // Goes back to 0 with the last one.
  if (atomicInc(args.ticket, last) != last) return;
  *args.step = index + 1;
  __threadfence_system();
  *static_cast<volatile int32_t*>(args.progress) = index + 1;
}

template <typename T>
__device__ void decoder_input(const DecoderInputArgs& args) {
  const int64_t i = element_index();
  if (i < args.count) decoder_input_element<T>(args, i);
}

/// The second dimension of the grid counts the images.
template <typename T>
__device__ void rgb(const RgbArgs& args) {
  const int64_t pixel = element_index();
  if (pixel < args.pixels && rgb_pixel<T>(args, static_cast<int32_t>(blockIdx.y), pixel)) *args.not_a_number = 1;
}

}  // namespace

}  // namespace t2i::cuda

// By these names the host finds them.
#define T2I_KERNEL_FOR(name, Args, suffix, T)                                                           \
  extern "C" __global__ void __launch_bounds__(t2i::cuda::kKernelBlock) name##suffix(const Args args) { \
    t2i::cuda::name<T>(args);                                                                           \
  }
#define T2I_KERNEL(name, Args)                    \
  T2I_KERNEL_FOR(name, Args, _float32, float)     \
  T2I_KERNEL_FOR(name, Args, _float16, t2i::Half) \
  T2I_KERNEL_FOR(name, Args, _bfloat16, t2i::BFloat16)

T2I_KERNEL(prepare, t2i::cuda::PrepareArgs)
T2I_KERNEL(step, t2i::cuda::StepArgs)
T2I_KERNEL(decoder_input, t2i::cuda::DecoderInputArgs)
T2I_KERNEL(rgb, t2i::cuda::RgbArgs)
