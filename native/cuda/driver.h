#pragma once

// The CUDA driver's own interface, libcuda.so.1, which every machine with a driver has. It is opened at run time and
// spoken to directly, not through NVIDIA's runtime library: one of those that is linked in needs a driver of its own
// major version. Every function here is there in drivers of CUDA 12.0 and newer, under the name and in the form that it
// is called.

#include <cuda.h>

#include <cstddef>
#include <string>

namespace t2i::cuda {

// X(name here, symbol, arguments); all return a CUresult.
#define T2I_DRIVER_FUNCTIONS(X)                                                                    \
  X(init, "cuInit", (unsigned))                                                                    \
  X(driver_version, "cuDriverGetVersion", (int*))                                                  \
  X(error_name, "cuGetErrorName", (CUresult, const char**))                                        \
  X(error_text, "cuGetErrorString", (CUresult, const char**))                                      \
  X(device_count, "cuDeviceGetCount", (int*))                                                      \
  X(device_get, "cuDeviceGet", (CUdevice*, int))                                                   \
  X(device_name, "cuDeviceGetName", (char*, int, CUdevice))                                        \
  X(device_memory, "cuDeviceTotalMem_v2", (std::size_t*, CUdevice))                                \
  X(device_attribute, "cuDeviceGetAttribute", (int*, CUdevice_attribute, CUdevice))                \
  X(primary_context, "cuDevicePrimaryCtxRetain", (CUcontext*, CUdevice))                           \
  X(set_context, "cuCtxSetCurrent", (CUcontext))                                                   \
  X(current_device, "cuCtxGetDevice", (CUdevice*))                                                 \
  X(allocate, "cuMemAlloc_v2", (CUdeviceptr*, std::size_t))                                        \
  X(release, "cuMemFree_v2", (CUdeviceptr))                                                        \
  X(allocate_pinned, "cuMemHostAlloc", (void**, std::size_t, unsigned))                            \
  X(device_pointer, "cuMemHostGetDevicePointer_v2", (CUdeviceptr*, void*, unsigned))               \
  X(release_pinned, "cuMemFreeHost", (void*))                                                      \
  X(create_stream, "cuStreamCreate", (CUstream*, unsigned))                                        \
  X(destroy_stream, "cuStreamDestroy_v2", (CUstream))                                              \
  X(synchronize_stream, "cuStreamSynchronize", (CUstream))                                         \
  X(query_stream, "cuStreamQuery", (CUstream))                                                     \
  X(copy_to_device, "cuMemcpyHtoDAsync_v2", (CUdeviceptr, const void*, std::size_t, CUstream))     \
  X(copy_to_host, "cuMemcpyDtoHAsync_v2", (void*, CUdeviceptr, std::size_t, CUstream))             \
  X(copy_on_device, "cuMemcpyDtoDAsync_v2", (CUdeviceptr, CUdeviceptr, std::size_t, CUstream))     \
  X(fill, "cuMemsetD8Async", (CUdeviceptr, unsigned char, std::size_t, CUstream))                  \
  X(begin_capture, "cuStreamBeginCapture_v2", (CUstream, CUstreamCaptureMode))                     \
  X(end_capture, "cuStreamEndCapture", (CUstream, CUgraph*))                                       \
  X(is_capturing, "cuStreamIsCapturing", (CUstream, CUstreamCaptureStatus*))                       \
  X(instantiate_graph, "cuGraphInstantiateWithFlags", (CUgraphExec*, CUgraph, unsigned long long)) \
  X(destroy_graph, "cuGraphDestroy", (CUgraph))                                                    \
  X(launch_graph, "cuGraphLaunch", (CUgraphExec, CUstream))                                        \
  X(destroy_graph_exec, "cuGraphExecDestroy", (CUgraphExec))                                       \
  X(create_event, "cuEventCreate", (CUevent*, unsigned))                                           \
  X(destroy_event, "cuEventDestroy_v2", (CUevent))                                                 \
  X(record_event, "cuEventRecord", (CUevent, CUstream))                                            \
  X(query_event, "cuEventQuery", (CUevent))                                                        \
  X(elapsed, "cuEventElapsedTime", (float*, CUevent, CUevent))                                     \
  X(load_module, "cuModuleLoadData", (CUmodule*, const void*))                                     \
  X(get_function, "cuModuleGetFunction", (CUfunction*, CUmodule, const char*))                     \
  X(launch_kernel, "cuLaunchKernel",                                                               \
    (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void**, void**))

/// Its functions; where there is no driver they all answer CUDA_ERROR_NOT_INITIALIZED.
struct Driver {
#define T2I_MEMBER(name, symbol, arguments) CUresult(*name) arguments = nullptr;
  T2I_DRIVER_FUNCTIONS(T2I_MEMBER)
#undef T2I_MEMBER
  /// Why it cannot be used: the loader's words, or the function that is missing; empty where it can.
  std::string missing;
};

/// Opened at the first call and never closed; cuInit was called.
const Driver& driver() noexcept;
/// What cuInit answered.
CUresult driver_status() noexcept;

}  // namespace t2i::cuda
