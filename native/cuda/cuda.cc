#include <cuda_runtime_api.h>

#include <algorithm>

#include "cuda/cuda_status.h"
#include "cuda/device.h"

// The device seam on the CUDA runtime. probe() is in cuda_probe.cc.

namespace t2i::cuda {

namespace {

/// Calls a function of the CUDA runtime unless the device is lost, and throws what it answers.
template <typename Function, typename... Args>
void call(const char* name, Function function, Args... args) {
  require_usable(name);
  check(name, function(args...));
}

cudaStream_t stream_of(StreamHandle stream) { return static_cast<cudaStream_t>(stream); }
cudaEvent_t event_of(EventHandle event) { return static_cast<cudaEvent_t>(event); }

void copy(void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind, StreamHandle stream) {
  call("cudaMemcpyAsync", cudaMemcpyAsync, target, source, bytes, kind, stream_of(stream));
}

/// Whether a query says "done"; "not ready" is no failure.
bool is_done(const char* name, cudaError_t status) {
  if (status == cudaErrorNotReady) {
    forget(status);
    return false;
  }
  check(name, status);
  return true;
}

}  // namespace

const char* device_kind() noexcept { return "cuda"; }

void use_device(int index) {
  check("cudaSetDevice", cudaSetDevice(index));
  require_usable("cudaSetDevice");
}

MemoryInfo memory_info() {
  MemoryInfo info{};
  call("cudaMemGetInfo", cudaMemGetInfo, &info.free_bytes, &info.total_bytes);
  return info;
}

void* allocate(std::size_t bytes) {
  require_usable("cudaMalloc");
  void* memory = nullptr;
  // CUDA gives no address for no bytes.
  check("cudaMalloc", cudaMalloc(&memory, std::max<std::size_t>(bytes, 1)));
  return memory;
}

void release(void* memory) noexcept { forget(cudaFree(memory)); }

void* allocate_pinned(std::size_t bytes) {
  require_usable("cudaHostAlloc");
  void* memory = nullptr;
  check("cudaHostAlloc", cudaHostAlloc(&memory, std::max<std::size_t>(bytes, 1), cudaHostAllocMapped));
  return memory;
}

void* device_address(void* pinned) {
  void* address = nullptr;
  call("cudaHostGetDevicePointer", cudaHostGetDevicePointer, &address, pinned, 0u);
  return address;
}

void release_pinned(void* memory) noexcept { forget(cudaFreeHost(memory)); }

StreamHandle create_stream() {
  cudaStream_t stream = nullptr;
  // Non-blocking: it does not wait for the default stream, which other libraries may use.
  call("cudaStreamCreateWithFlags", cudaStreamCreateWithFlags, &stream, cudaStreamNonBlocking);
  return stream;
}

void destroy_stream(StreamHandle stream) noexcept {
  if (stream == nullptr) return;
  forget(cudaStreamSynchronize(stream_of(stream)));
  forget(cudaStreamDestroy(stream_of(stream)));
}

void synchronize(StreamHandle stream) { call("cudaStreamSynchronize", cudaStreamSynchronize, stream_of(stream)); }

bool finished(StreamHandle stream) {
  require_usable("cudaStreamQuery");
  return is_done("cudaStreamQuery", cudaStreamQuery(stream_of(stream)));
}

void copy_to_device(void* device, const void* host, std::size_t bytes, StreamHandle stream) {
  copy(device, host, bytes, cudaMemcpyHostToDevice, stream);
}

void copy_to_host(void* host, const void* device, std::size_t bytes, StreamHandle stream) {
  copy(host, device, bytes, cudaMemcpyDeviceToHost, stream);
}

void copy_on_device(void* target, const void* source, std::size_t bytes, StreamHandle stream) {
  copy(target, source, bytes, cudaMemcpyDeviceToDevice, stream);
}

void fill_zero(void* device, std::size_t bytes, StreamHandle stream) {
  call("cudaMemsetAsync", cudaMemsetAsync, device, 0, bytes, stream_of(stream));
}

void begin_capture(StreamHandle stream) {
  call("cudaStreamBeginCapture", cudaStreamBeginCapture, stream_of(stream), cudaStreamCaptureModeThreadLocal);
}

GraphHandle end_capture(StreamHandle stream) {
  cudaGraph_t graph = nullptr;
  call("cudaStreamEndCapture", cudaStreamEndCapture, stream_of(stream), &graph);
  cudaGraphExec_t launchable = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&launchable, graph, 0);
  forget(cudaGraphDestroy(graph));
  check("cudaGraphInstantiate", status);
  return launchable;
}

void abandon_capture(StreamHandle stream) noexcept {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  forget(cudaStreamIsCapturing(stream_of(stream), &status));
  if (status == cudaStreamCaptureStatusNone) return;
  cudaGraph_t graph = nullptr;
  forget(cudaStreamEndCapture(stream_of(stream), &graph));
  if (graph != nullptr) forget(cudaGraphDestroy(graph));
}

void launch(GraphHandle graph, StreamHandle stream) {
  call("cudaGraphLaunch", cudaGraphLaunch, static_cast<cudaGraphExec_t>(graph), stream_of(stream));
}

void destroy_graph(GraphHandle graph) noexcept { forget(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph))); }

EventHandle create_event() {
  cudaEvent_t event = nullptr;
  call("cudaEventCreateWithFlags", cudaEventCreateWithFlags, &event, cudaEventDefault);
  return event;
}

void destroy_event(EventHandle event) noexcept { forget(cudaEventDestroy(event_of(event))); }

void record(EventHandle event, StreamHandle stream) {
  call("cudaEventRecord", cudaEventRecord, event_of(event), stream_of(stream));
}

bool passed(EventHandle event) {
  require_usable("cudaEventQuery");
  return is_done("cudaEventQuery", cudaEventQuery(event_of(event)));
}

float elapsed(EventHandle start, EventHandle end) {
  float milliseconds = 0;
  call("cudaEventElapsedTime", cudaEventElapsedTime, &milliseconds, event_of(start), event_of(end));
  return milliseconds;
}

}  // namespace t2i::cuda
