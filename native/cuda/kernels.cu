// Our kernels on CUDA. They touch a few hundred kilobytes at most beside a network that reads hundreds of megabytes:
// what counts is that they are few and short, so each element is one thread and nothing is vectorised.
//
// Compiled with -fmad=false: see step.h.

#include <cuda_runtime.h>

#include "cuda/cuda_status.h"
#include "cuda/dispatch.h"
#include "cuda/elements.h"
#include "cuda/kernels.h"

namespace t2i::cuda {

namespace {

constexpr int kBlock = 256;

__device__ int64_t element_index() { return static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x; }

template <typename T>
__global__ void __launch_bounds__(kBlock) prepare_kernel(const PrepareArgs args) {
  const int64_t i = element_index();
  if (i < args.images * args.latent_size) prepare_element<T>(args, i);
  if (i < args.timestep_count) prepare_timestep(args, static_cast<int32_t>(i));
}

template <typename T>
__global__ void __launch_bounds__(kBlock) step_kernel(const StepArgs args) {
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
__global__ void __launch_bounds__(kBlock) decoder_input_kernel(const DecoderInputArgs args) {
  const int64_t i = element_index();
  if (i < args.count) decoder_input_element<T>(args, i);
}

/// The second dimension of the grid counts the images.
template <typename T>
__global__ void __launch_bounds__(kBlock) rgb_kernel(const RgbArgs args) {
  const int64_t pixel = element_index();
  if (pixel < args.pixels && rgb_pixel<T>(args, static_cast<int32_t>(blockIdx.y), pixel)) *args.not_a_number = 1;
}

/// One thread for each of `count` elements, `rows` times.
template <typename Args>
void launch_kernel(const char* call, void (*kernel)(const Args), const Args& args, int64_t count, int32_t rows,
                   StreamHandle stream) {
  require_usable(call);
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>((count + kBlock - 1) / kBlock), static_cast<unsigned>(rows));
  config.blockDim = dim3(kBlock);
  config.stream = static_cast<cudaStream_t>(stream);
  check(call, cudaLaunchKernelEx(&config, kernel, args));
}

}  // namespace

void launch_prepare(const PrepareArgs& args, StreamHandle stream) {
  require_timestep_type("prepare_kernel", args.timestep_type);
  const int64_t latents = args.images * args.latent_size;
  const int64_t count = latents > args.timestep_count ? latents : args.timestep_count;
  with_type("prepare_kernel", args.sample_type, [&](auto sample) {
    launch_kernel("prepare_kernel", prepare_kernel<decltype(sample)>, args, count, 1, stream);
  });
}

void launch_step(const StepArgs& args, StreamHandle stream) {
  with_type("step_kernel", args.output_type, [&](auto output) {
    launch_kernel("step_kernel", step_kernel<decltype(output)>, args, args.images * args.latent_size, 1, stream);
  });
}

void launch_decoder_input(const DecoderInputArgs& args, StreamHandle stream) {
  with_type("decoder_input_kernel", args.type, [&](auto input) {
    launch_kernel("decoder_input_kernel", decoder_input_kernel<decltype(input)>, args, args.count, 1, stream);
  });
}

void launch_rgb(const RgbArgs& args, StreamHandle stream) {
  with_type("rgb_kernel", args.type, [&](auto image) {
    launch_kernel("rgb_kernel", rgb_kernel<decltype(image)>, args, args.pixels, args.images, stream);
  });
}

}  // namespace t2i::cuda
