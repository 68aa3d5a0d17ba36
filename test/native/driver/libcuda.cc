// A stand-in for the CUDA driver, libcuda.so.1, for machines without one: device memory is host memory, whatever is
// queued runs at once, a capture records, and our kernels run as the host functions that they share. The environment
// variable T2I_FAKE_DRIVER says what it is like, with commas between:
//
//     version=12040      the newest CUDA that it knows
//     devices=0          how many GPUs there are; one where it is left out
//     compute=75         their compute capability
//     fail=NAME:700      what a function answers, from its first call on

#include <cuda.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "cuda/elements.h"

using namespace t2i;
using namespace t2i::cuda;

// The header gives newer names to what is defined here under the names that are looked up.
#define T2I_EXPORT extern "C" __attribute__((visibility("default"))) CUresult

namespace {

/// What is behind `name=` in the variable.
std::string setting(const std::string& name, const std::string& otherwise) {
  const char* given = std::getenv("T2I_FAKE_DRIVER");
  const std::string all = std::string(",") + (given == nullptr ? "" : given) + ",";
  const std::size_t at = all.find("," + name + "=");
  if (at == std::string::npos) return otherwise;
  const std::size_t start = at + name.size() + 2;
  return all.substr(start, all.find(',', start) - start);
}

int number(const std::string& name, int otherwise) { return std::stoi(setting(name, std::to_string(otherwise))); }

/// What a function answers: success, or the failure that was asked for.
CUresult answer(const char* name) {
  const std::string fail = setting("fail", ":0");
  const std::size_t colon = fail.find(':');
  return fail.substr(0, colon) == name ? static_cast<CUresult>(std::stoi(fail.substr(colon + 1))) : CUDA_SUCCESS;
}

using Work = std::function<void()>;
using Graph = std::vector<Work>;

struct Stream {
  bool capturing = false;
  Graph recorded;
};

Stream& stream_of(CUstream stream) { return *reinterpret_cast<Stream*>(stream); }
void* pointer(CUdeviceptr address) { return reinterpret_cast<void*>(address); }

CUresult queue(const char* name, CUstream stream, Work work) {
  const CUresult status = answer(name);
  if (status != CUDA_SUCCESS) return status;
  if (stream_of(stream).capturing) {
    stream_of(stream).recorded.push_back(std::move(work));
  } else {
    work();
  }
  return CUDA_SUCCESS;
}

template <typename T>
void run(const PrepareArgs& args) {
  for (int64_t i = 0; i < args.images * args.latent_size; ++i) prepare_element<T>(args, i);
  for (int32_t i = 0; i < args.timestep_count; ++i) prepare_timestep(args, i);
}

template <typename T>
void run(const StepArgs& args) {
  const int32_t index = *args.step;
  for (int64_t i = 0; i < args.images * args.latent_size; ++i) step_element<T>(args, index, i);
  *args.progress = *args.step = index + 1;
}

template <typename Args>
Work launch(const std::string& name, void** parameters) {
  const Args args = *static_cast<const Args*>(parameters[0]);
  const auto is_for = [&](const std::string& suffix) { return name.find(suffix) != std::string::npos; };
  if (is_for("_bfloat16")) return [=] { run<BFloat16>(args); };
  if (is_for("_float16")) return [=] { run<Half>(args); };
  return [=] { run<float>(args); };
}

}  // namespace

T2I_EXPORT cuInit(unsigned) { return number("devices", 1) == 0 ? CUDA_ERROR_NO_DEVICE : answer("cuInit"); }
T2I_EXPORT cuDriverGetVersion(int* version) {
  *version = number("version", 12040);
  return CUDA_SUCCESS;
}
T2I_EXPORT cuGetErrorName(CUresult, const char** name) {
  *name = "CUDA_ERROR_OF_THE_STAND_IN";
  return CUDA_SUCCESS;
}
T2I_EXPORT cuGetErrorString(CUresult, const char** text) {
  *text = "the stand-in was told to fail";
  return CUDA_SUCCESS;
}
T2I_EXPORT cuDeviceGetCount(int* count) {
  *count = number("devices", 1);
  return answer("cuDeviceGetCount");
}
T2I_EXPORT cuDeviceGet(CUdevice* device, int index) {
  *device = index;
  return index < number("devices", 1) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
T2I_EXPORT cuDeviceGetName(char* name, int size, CUdevice) {
  std::strncpy(name, "stand-in GPU", static_cast<std::size_t>(size));
  return CUDA_SUCCESS;
}
T2I_EXPORT cuDeviceTotalMem_v2(std::size_t* bytes, CUdevice) {
  *bytes = std::size_t{1} << 30;
  return CUDA_SUCCESS;
}
T2I_EXPORT cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  const int compute = number("compute", 89);
  *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? compute / 10 : compute % 10;
  return CUDA_SUCCESS;
}
T2I_EXPORT cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  *context = reinterpret_cast<CUcontext>(static_cast<intptr_t>(device + 1));
  return answer("cuDevicePrimaryCtxRetain");
}
T2I_EXPORT cuCtxSetCurrent(CUcontext) { return answer("cuCtxSetCurrent"); }
T2I_EXPORT cuCtxGetDevice(CUdevice* device) {
  *device = 0;
  return CUDA_SUCCESS;
}
T2I_EXPORT cuMemAlloc_v2(CUdeviceptr* memory, std::size_t bytes) {
  *memory = reinterpret_cast<CUdeviceptr>(std::malloc(bytes));
  return answer("cuMemAlloc_v2");
}
T2I_EXPORT cuMemFree_v2(CUdeviceptr memory) {
  std::free(pointer(memory));
  return CUDA_SUCCESS;
}
T2I_EXPORT cuMemHostAlloc(void** memory, std::size_t bytes, unsigned) {
  *memory = std::malloc(bytes);
  return answer("cuMemHostAlloc");
}
T2I_EXPORT cuMemHostGetDevicePointer_v2(CUdeviceptr* address, void* memory, unsigned) {
  *address = reinterpret_cast<CUdeviceptr>(memory);
  return CUDA_SUCCESS;
}
T2I_EXPORT cuMemFreeHost(void* memory) {
  std::free(memory);
  return CUDA_SUCCESS;
}
T2I_EXPORT cuStreamCreate(CUstream* stream, unsigned) {
  *stream = reinterpret_cast<CUstream>(new Stream);
  return answer("cuStreamCreate");
}
T2I_EXPORT cuStreamDestroy_v2(CUstream stream) {
  delete &stream_of(stream);
  return CUDA_SUCCESS;
}
T2I_EXPORT cuStreamSynchronize(CUstream stream) {
  return stream_of(stream).capturing ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : answer("cuStreamSynchronize");
}
T2I_EXPORT cuStreamQuery(CUstream) { return answer("cuStreamQuery"); }
T2I_EXPORT cuMemcpyHtoDAsync_v2(CUdeviceptr target, const void* source, std::size_t bytes, CUstream stream) {
  return queue("cuMemcpyHtoDAsync_v2", stream, [=] { std::memcpy(pointer(target), source, bytes); });
}
T2I_EXPORT cuMemcpyDtoHAsync_v2(void* target, CUdeviceptr source, std::size_t bytes, CUstream stream) {
  return queue("cuMemcpyDtoHAsync_v2", stream, [=] { std::memcpy(target, pointer(source), bytes); });
}
T2I_EXPORT cuMemcpyDtoDAsync_v2(CUdeviceptr target, CUdeviceptr source, std::size_t bytes, CUstream stream) {
  return queue("cuMemcpyDtoDAsync_v2", stream, [=] { std::memcpy(pointer(target), pointer(source), bytes); });
}
T2I_EXPORT cuMemsetD8Async(CUdeviceptr target, unsigned char value, std::size_t bytes, CUstream stream) {
  return queue("cuMemsetD8Async", stream, [=] { std::memset(pointer(target), value, bytes); });
}
T2I_EXPORT cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode) {
  stream_of(stream).capturing = true;
  return answer("cuStreamBeginCapture_v2");
}
T2I_EXPORT cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  stream_of(stream).capturing = false;
  *graph = reinterpret_cast<CUgraph>(new Graph(std::move(stream_of(stream).recorded)));
  return answer("cuStreamEndCapture");
}
T2I_EXPORT cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus* status) {
  *status = stream_of(stream).capturing ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}
T2I_EXPORT cuGraphInstantiateWithFlags(CUgraphExec* launchable, CUgraph graph, unsigned long long) {
  *launchable = reinterpret_cast<CUgraphExec>(new Graph(*reinterpret_cast<Graph*>(graph)));
  return answer("cuGraphInstantiateWithFlags");
}
T2I_EXPORT cuGraphDestroy(CUgraph graph) {
  delete reinterpret_cast<Graph*>(graph);
  return CUDA_SUCCESS;
}
T2I_EXPORT cuGraphLaunch(CUgraphExec graph, CUstream) {
  for (const Work& work : *reinterpret_cast<Graph*>(graph)) work();
  return answer("cuGraphLaunch");
}
T2I_EXPORT cuGraphExecDestroy(CUgraphExec graph) {
  delete reinterpret_cast<Graph*>(graph);
  return CUDA_SUCCESS;
}
T2I_EXPORT cuEventCreate(CUevent* event, unsigned) {
  *event = reinterpret_cast<CUevent>(new char);
  return answer("cuEventCreate");
}
T2I_EXPORT cuEventDestroy_v2(CUevent event) {
  delete reinterpret_cast<char*>(event);
  return CUDA_SUCCESS;
}
T2I_EXPORT cuEventRecord(CUevent, CUstream) { return answer("cuEventRecord"); }
T2I_EXPORT cuEventQuery(CUevent) { return answer("cuEventQuery"); }
T2I_EXPORT cuEventElapsedTime(float* milliseconds, CUevent, CUevent) {
  *milliseconds = 1;
  return CUDA_SUCCESS;
}
/// What the module was loaded from tells which generation was chosen: an ELF file, or text.
T2I_EXPORT cuModuleLoadData(CUmodule* module, const void* image) {
  *module = reinterpret_cast<CUmodule>(const_cast<void*>(image));
  const bool portable = std::memcmp(image, "\177ELF", 4) != 0;
  return setting("expect", portable ? "portable" : "machine") == (portable ? "portable" : "machine")
             ? answer("cuModuleLoadData")
             : CUDA_ERROR_NO_BINARY_FOR_GPU;
}
T2I_EXPORT cuModuleGetFunction(CUfunction* function, CUmodule, const char* name) {
  *function = reinterpret_cast<CUfunction>(new std::string(name));
  return answer("cuModuleGetFunction");
}
T2I_EXPORT cuLaunchKernel(CUfunction function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                          CUstream stream, void** parameters, void**) {
  const std::string& name = *reinterpret_cast<std::string*>(function);
  if (name.rfind("prepare_", 0) == 0) return queue("cuLaunchKernel", stream, launch<PrepareArgs>(name, parameters));
  if (name.rfind("step_", 0) == 0) return queue("cuLaunchKernel", stream, launch<StepArgs>(name, parameters));
  return CUDA_ERROR_NOT_FOUND;
}
