#include "cuda/cuda_status.h"

#include <atomic>
#include <string>

#include "cuda/device.h"
#include "error.h"

namespace t2i::cuda {

namespace {

constexpr int kMaxDevices = 64;

/// Error that took the device, or cudaSuccess. A device's own state: CUDA keeps it until the process ends.
std::atomic<cudaError_t>& taken_by(int device) {
  static std::atomic<cudaError_t> errors[kMaxDevices] = {};
  return errors[device < kMaxDevices ? device : kMaxDevices - 1];
}

int current_device() {
  int device = 0;
  return cudaGetDevice(&device) == cudaSuccess ? device : 0;
}

/// Errors after which every call in the context fails.
bool is_sticky(cudaError_t status) {
  switch (status) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorContextIsDestroyed:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorMpsClientTerminated:
    case cudaErrorExternalDevice:
    case cudaErrorContained:
      return true;
    default:
      return false;
  }
}

std::string describe(const char* call, cudaError_t status) {
  return std::string(call) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ", CUDA error " +
         std::to_string(static_cast<int>(status)) + ")";
}

[[noreturn]] void throw_lost(const char* call, cudaError_t status) {
  throw Error(ErrorCode::device_lost, describe(call, status),
              "The GPU can be used again in a new process; isolation: 'process' starts one by itself.");
}

}  // namespace

void require_usable(const char* call) {
  const cudaError_t status = taken_by(current_device());
  if (status != cudaSuccess) throw_lost(call, status);
}

void check(const char* call, cudaError_t status) {
  if (status == cudaSuccess) return;
  forget(status);
  if (is_sticky(status)) {
    taken_by(current_device()) = status;
    throw_lost(call, status);
  }
  switch (status) {
    case cudaErrorMemoryAllocation:
      throw Error(ErrorCode::out_of_memory, describe(call, status),
                  "Ask for fewer or smaller images at once, or free memory of the GPU.");
    case cudaErrorInsufficientDriver:
    case cudaErrorNoDevice: {
      const DeviceProbe found = probe();
      throw Error(ErrorCode::backend_unavailable, describe(call, status) + ": " + found.reason, found.hint);
    }
    case cudaErrorNoKernelImageForDevice:
      throw Error(ErrorCode::backend_failed, describe(call, status),
                  "This addon runs on GPUs of compute capability 7.5 (Turing, 2018) and newer.");
    default:
      throw Error(ErrorCode::backend_failed, describe(call, status));
  }
}

void forget(cudaError_t status) noexcept {
  if (status != cudaSuccess) cudaGetLastError();
}

}  // namespace t2i::cuda
