#include <algorithm>
#include <map>
#include <mutex>
#include <string>

#include "cuda/cuda_status.h"
#include "cuda/dispatch.h"
#include "cuda/driver.h"
#include "cuda/kernel_images.h"
#include "cuda/kernels.h"

// Launches kernels.cu.

namespace t2i::cuda {

namespace {

/// The code for a device: machine code of its own generation or of an older one of the same major version, which every
/// driver of CUDA 12 loads; else the portable code.
const KernelImage& image_for(int capability) {
  const KernelImage* chosen = &kernel_images[kernel_image_count - 1];
  for (int i = 0; i < kernel_image_count - 1; ++i) {
    const int generation = kernel_images[i].generation;
    if (generation / 10 == capability / 10 && generation <= capability) chosen = &kernel_images[i];
  }
  return *chosen;
}

CUmodule load_module(CUdevice device) {
  int major = 0, minor = 0;
  const Driver& cuda = driver();
  check("cuDeviceGetAttribute", cuda.device_attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device));
  check("cuDeviceGetAttribute", cuda.device_attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device));
  CUmodule module = nullptr;
  check("cuModuleLoadData", cuda.load_module(&module, image_for(major * 10 + minor).code));
  return module;
}

/// Kernels of the current device, loaded at the first launch and kept as long as its context: a device's own state.
CUfunction find_kernel(const std::string& name) {
  struct Loaded {
    CUmodule module = nullptr;
    std::map<std::string, CUfunction> functions;
  };
  static std::mutex mutex;
  static std::map<CUdevice, Loaded> devices;
  const std::lock_guard lock(mutex);
  CUdevice device = 0;
  check("cuCtxGetDevice", driver().current_device(&device));
  Loaded& loaded = devices[device];
  if (loaded.module == nullptr) loaded.module = load_module(device);
  CUfunction& function = loaded.functions[name];
  if (function == nullptr) {
    check("cuModuleGetFunction", driver().get_function(&function, loaded.module, name.c_str()));
  }
  return function;
}

// What kernels.cu adds to a kernel's name for each element type.
constexpr const char* suffix_of(float) { return "_float32"; }
constexpr const char* suffix_of(Half) { return "_float16"; }
constexpr const char* suffix_of(BFloat16) { return "_bfloat16"; }

/// One thread for each of `count` elements, `rows` times.
template <typename Args>
void launch_kernel(const char* kernel, DataType type, const Args& args, int64_t count, int32_t rows,
                   StreamHandle stream) {
  const std::string call = std::string(kernel) + "_kernel";
  require_usable(call.c_str());
  std::string name = kernel;
  with_type(call.c_str(), type, [&](auto element) { name += suffix_of(element); });
  const CUfunction function = find_kernel(name);
  const auto blocks = static_cast<unsigned>((count + kKernelBlock - 1) / kKernelBlock);
  Args copy = args;
  void* parameters[] = {&copy};
  check(call.c_str(), driver().launch_kernel(function, blocks, static_cast<unsigned>(rows), 1, kKernelBlock, 1, 1, 0,
                                             static_cast<CUstream>(stream), parameters, nullptr));
}

}  // namespace

void launch_prepare(const PrepareArgs& args, StreamHandle stream) {
  require_timestep_type("prepare_kernel", args.timestep_type);
  const int64_t count = std::max<int64_t>(args.images * args.latent_size, args.timestep_count);
  launch_kernel("prepare", args.sample_type, args, count, 1, stream);
}

void launch_step(const StepArgs& args, StreamHandle stream) {
  launch_kernel("step", args.output_type, args, args.images * args.latent_size, 1, stream);
}

void launch_decoder_input(const DecoderInputArgs& args, StreamHandle stream) {
  launch_kernel("decoder_input", args.type, args, args.count, 1, stream);
}

void launch_rgb(const RgbArgs& args, StreamHandle stream) {
  launch_kernel("rgb", args.type, args, args.pixels, args.images, stream);
}

}  // namespace t2i::cuda
