#include <cuda_runtime_api.h>

#include <string>

#include "cuda/device.h"

// What there is to run on, and if nothing, why and what helps.

namespace t2i::cuda {

namespace {

/// CUDA counts 1000 * major + 10 * minor.
std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

void explain(cudaError_t status, DeviceProbe& found) {
  if (status == cudaErrorInsufficientDriver && found.driver_version == 0) {
    found.reason = "there is no NVIDIA driver on this machine";
    found.hint = "Install NVIDIA's driver, and start a container with --gpus all; nvidia-smi must list the GPU.";
  } else if (status == cudaErrorInsufficientDriver) {
    // A driver runs every minor version of its major version of CUDA.
    const std::string needed = version_text(found.runtime_version / 1000 * 1000);
    found.reason = "the NVIDIA driver is too old: it knows CUDA " + version_text(found.driver_version) +
                   ", and this addon needs a driver for CUDA " + needed + " or newer";
    found.hint = "Update NVIDIA's driver; nvidia-smi shows its version and the CUDA it knows.";
  } else if (status == cudaErrorNoDevice) {
    found.reason = "the NVIDIA driver sees no GPU";
    found.hint = "Look at nvidia-smi, and at CUDA_VISIBLE_DEVICES, which may hide it.";
  } else {
    found.reason = std::string("CUDA cannot be used: ") + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) +
                   ", CUDA error " + std::to_string(static_cast<int>(status)) + ")";
    found.hint = "Look at nvidia-smi; a restart of the machine helps where the driver was updated beneath it.";
  }
}

DeviceProbe ask() {
  DeviceProbe found{};
  // Both answer without a driver: the driver's version is then 0.
  if (cudaDriverGetVersion(&found.driver_version) != cudaSuccess) found.driver_version = 0;
  if (cudaRuntimeGetVersion(&found.runtime_version) != cudaSuccess) found.runtime_version = CUDART_VERSION;
  int count = 0;
  cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count == 0) status = cudaErrorNoDevice;
  for (int index = 0; status == cudaSuccess && index < count; index++) {
    cudaDeviceProp properties;
    status = cudaGetDeviceProperties(&properties, index);
    if (status != cudaSuccess) break;
    found.devices.push_back({index, properties.name, properties.major, properties.minor, properties.totalGlobalMem});
  }
  found.available = status == cudaSuccess;
  if (!found.available) {
    found.devices.clear();
    explain(status, found);
    // CUDA shall not report it again at the next call.
    cudaGetLastError();
  }
  return found;
}

}  // namespace

DeviceProbe probe() noexcept {
  try {
    return ask();
  } catch (...) {
    // Only the memory for the sentences can be missing.
    return {};
  }
}

}  // namespace t2i::cuda
