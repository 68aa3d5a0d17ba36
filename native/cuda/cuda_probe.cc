#include <string>

#include "cuda/cuda_status.h"
#include "cuda/device.h"
#include "cuda/driver.h"

// What there is to run on, and if nothing, why and what helps.

namespace t2i::cuda {

namespace {

/// A driver runs what was compiled with every minor version of its own major version of CUDA, and of older ones.
constexpr int kOldestDriver = CUDA_VERSION / 1000 * 1000;

/// CUDA counts 1000 * major + 10 * minor.
std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

void explain(CUresult status, DeviceProbe& found) {
  const std::string& missing = driver().missing;
  if (found.driver_version != 0 && found.driver_version < kOldestDriver) {
    found.reason = "the NVIDIA driver is too old: it knows CUDA " + version_text(found.driver_version) +
                   ", and this addon needs a driver for CUDA " + version_text(kOldestDriver) + " or newer";
    found.hint = "Update NVIDIA's driver; nvidia-smi shows its version and the CUDA it knows.";
  } else if (!missing.empty() || status == CUDA_ERROR_STUB_LIBRARY) {
    found.reason = "there is no NVIDIA driver on this machine";
    if (found.driver_version != 0) found.reason = "the NVIDIA driver cannot be used: " + missing;
    found.hint = "Install NVIDIA's driver, and start a container with --gpus all; nvidia-smi must list the GPU.";
  } else if (status == CUDA_ERROR_NO_DEVICE) {
    found.reason = "the NVIDIA driver sees no GPU";
    found.hint = "Look at nvidia-smi, and at CUDA_VISIBLE_DEVICES, which may hide it.";
  } else {
    found.reason = "CUDA cannot be used: " + describe(status);
    found.hint = "Look at nvidia-smi; a restart of the machine helps where the driver was updated beneath it.";
  }
}

CUresult describe_device(int index, DeviceProbe& found) {
  const Driver& cuda = driver();
  CUdevice device = 0;
  char name[256] = {};
  DeviceInfo info{index, "", 0, 0, 0};
  const auto attribute = [&](int& value, CUdevice_attribute which) {
    return cuda.device_attribute(&value, which, device);
  };
  CUresult status = cuda.device_get(&device, index);
  if (status == CUDA_SUCCESS) status = cuda.device_name(name, sizeof name, device);
  if (status == CUDA_SUCCESS) status = cuda.device_memory(&info.memory_bytes, device);
  if (status == CUDA_SUCCESS) status = attribute(info.compute_major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  if (status == CUDA_SUCCESS) status = attribute(info.compute_minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  info.name = name;
  if (status == CUDA_SUCCESS) found.devices.push_back(info);
  return status;
}

DeviceProbe ask() {
  DeviceProbe found{};
  found.runtime_version = CUDA_VERSION;
  if (driver().driver_version(&found.driver_version) != CUDA_SUCCESS) found.driver_version = 0;
  int count = 0;
  CUresult status = driver_status();
  if (status == CUDA_SUCCESS) status = driver().device_count(&count);
  if (status == CUDA_SUCCESS && count == 0) status = CUDA_ERROR_NO_DEVICE;
  for (int index = 0; status == CUDA_SUCCESS && index < count; index++) status = describe_device(index, found);
  found.available = status == CUDA_SUCCESS && driver().missing.empty() && found.driver_version >= kOldestDriver;
  if (!found.available) {
    found.devices.clear();
    explain(status, found);
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
