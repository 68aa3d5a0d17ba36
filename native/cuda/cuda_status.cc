#include "cuda/cuda_status.h"

#include <atomic>

#include "base/error.h"
#include "cuda/device.h"
#include "cuda/driver.h"

namespace t2i::cuda {

namespace {

constexpr int kMaxDevices = 64;

/// Error that took the device, or CUDA_SUCCESS. A device's own state: CUDA keeps it until the process ends.
std::atomic<CUresult>& taken_by(int device) {
  static std::atomic<CUresult> errors[kMaxDevices] = {};
  return errors[device < kMaxDevices ? device : kMaxDevices - 1];
}

int current_device() {
  CUdevice device = 0;
  return driver().current_device(&device) == CUDA_SUCCESS ? device : 0;
}

/// Errors after which every call in the context fails.
bool is_sticky(CUresult status) {
  switch (status) {
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_CONTAINED:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_TENSOR_MEMORY_LEAK:
    case CUDA_ERROR_MPS_CLIENT_TERMINATED:
    case CUDA_ERROR_EXTERNAL_DEVICE:
      return true;
    default:
      return false;
  }
}

std::string of_call(const char* call, CUresult status) { return std::string(call) + ": " + describe(status); }

[[noreturn]] void throw_lost(const char* call, CUresult status) {
  throw Error(ErrorCode::device_lost, of_call(call, status),
              "The GPU can be used again in a new process; isolation: 'process' starts one by itself.");
}

}  // namespace

std::string describe(CUresult status) {
  const char* name = nullptr;
  const char* text = nullptr;
  driver().error_name(status, &name);
  driver().error_text(status, &text);
  return std::string(text != nullptr ? text : "unknown error") + " (" + (name != nullptr ? name : "unnamed") +
         ", CUDA error " + std::to_string(static_cast<int>(status)) + ")";
}

void require_usable(const char* call) {
  const CUresult status = taken_by(current_device());
  if (status != CUDA_SUCCESS) throw_lost(call, status);
}

void check(const char* call, CUresult status) {
  if (status == CUDA_SUCCESS) return;
  if (is_sticky(status)) {
    taken_by(current_device()) = status;
    throw_lost(call, status);
  }
  switch (status) {
    case CUDA_ERROR_OUT_OF_MEMORY:
      throw Error(ErrorCode::out_of_memory, of_call(call, status),
                  "Ask for fewer or smaller images at once, or free memory of the GPU.");
    case CUDA_ERROR_NOT_INITIALIZED:
    case CUDA_ERROR_NO_DEVICE: {
      const DeviceProbe found = probe();
      throw Error(ErrorCode::backend_unavailable, of_call(call, status) + ": " + found.reason, found.hint);
    }
    case CUDA_ERROR_NO_BINARY_FOR_GPU:
      throw Error(ErrorCode::backend_failed, of_call(call, status),
                  "This addon runs on GPUs of compute capability 7.5 (Turing, 2018) and newer.");
    default:
      throw Error(ErrorCode::backend_failed, of_call(call, status));
  }
}

}  // namespace t2i::cuda
