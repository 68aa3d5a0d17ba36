#include <algorithm>
#include <mutex>
#include <vector>

#include "cuda/cuda_status.h"
#include "cuda/device.h"
#include "cuda/driver.h"

// The device seam on the CUDA driver. probe() is in cuda_probe.cc.

namespace t2i::cuda {

namespace {

/// Calls a function of the driver unless the device is lost, and throws what it answers.
#define T2I_CALL(name, symbol, ...) call(symbol, driver().name, __VA_ARGS__)

template <typename... Params, typename... Args>
void call(const char* name, CUresult (*function)(Params...), Args... args) {
  require_usable(name);
  check(name, function(args...));
}

CUstream stream_of(StreamHandle stream) { return static_cast<CUstream>(stream); }
CUevent event_of(EventHandle event) { return static_cast<CUevent>(event); }
CUdeviceptr address_of(const void* memory) { return reinterpret_cast<CUdeviceptr>(memory); }

/// Whether a query says "done"; "not ready" is no failure.
bool is_done(const char* name, CUresult status) {
  if (status == CUDA_ERROR_NOT_READY) return false;
  check(name, status);
  return true;
}

/// The context that TensorRT and everybody else uses on a device too. Kept for good: it holds what they have there.
CUcontext primary_context(int index) {
  static std::mutex mutex;
  static std::vector<CUcontext> contexts;
  const std::lock_guard lock(mutex);
  const auto place = static_cast<std::size_t>(index);
  if (place >= contexts.size()) contexts.resize(place + 1);
  if (contexts[place] == nullptr) {
    CUdevice device = 0;
    check("cuDeviceGet", driver().device_get(&device, index));
    check("cuDevicePrimaryCtxRetain", driver().primary_context(&contexts[place], device));
  }
  return contexts[place];
}

}  // namespace

const char* device_kind() noexcept { return "cuda"; }

void use_device(int index) {
  check("cuCtxSetCurrent", driver().set_context(primary_context(index)));
  require_usable("cuCtxSetCurrent");
}

void* allocate(std::size_t bytes) {
  CUdeviceptr memory = 0;
  // CUDA gives no address for no bytes.
  T2I_CALL(allocate, "cuMemAlloc", &memory, std::max<std::size_t>(bytes, 1));
  return reinterpret_cast<void*>(memory);
}

void release(void* memory) noexcept { driver().release(address_of(memory)); }

void* allocate_pinned(std::size_t bytes) {
  void* memory = nullptr;
  T2I_CALL(allocate_pinned, "cuMemHostAlloc", &memory, std::max<std::size_t>(bytes, 1),
           static_cast<unsigned>(CU_MEMHOSTALLOC_DEVICEMAP));
  return memory;
}

void* device_address(void* pinned) {
  CUdeviceptr address = 0;
  T2I_CALL(device_pointer, "cuMemHostGetDevicePointer", &address, pinned, 0u);
  return reinterpret_cast<void*>(address);
}

void release_pinned(void* memory) noexcept { driver().release_pinned(memory); }

StreamHandle create_stream() {
  CUstream stream = nullptr;
  // Non-blocking: it does not wait for the default stream, which other libraries may use.
  T2I_CALL(create_stream, "cuStreamCreate", &stream, static_cast<unsigned>(CU_STREAM_NON_BLOCKING));
  return stream;
}

void destroy_stream(StreamHandle stream) noexcept {
  if (stream == nullptr) return;
  driver().synchronize_stream(stream_of(stream));
  driver().destroy_stream(stream_of(stream));
}

void synchronize(StreamHandle stream) { T2I_CALL(synchronize_stream, "cuStreamSynchronize", stream_of(stream)); }

bool finished(StreamHandle stream) {
  require_usable("cuStreamQuery");
  return is_done("cuStreamQuery", driver().query_stream(stream_of(stream)));
}

void copy_to_device(void* device, const void* host, std::size_t bytes, StreamHandle stream) {
  T2I_CALL(copy_to_device, "cuMemcpyHtoDAsync", address_of(device), host, bytes, stream_of(stream));
}

void copy_to_host(void* host, const void* device, std::size_t bytes, StreamHandle stream) {
  T2I_CALL(copy_to_host, "cuMemcpyDtoHAsync", host, address_of(device), bytes, stream_of(stream));
}

void copy_on_device(void* target, const void* source, std::size_t bytes, StreamHandle stream) {
  T2I_CALL(copy_on_device, "cuMemcpyDtoDAsync", address_of(target), address_of(source), bytes, stream_of(stream));
}

void fill_zero(void* device, std::size_t bytes, StreamHandle stream) {
  T2I_CALL(fill, "cuMemsetD8Async", address_of(device), static_cast<unsigned char>(0), bytes, stream_of(stream));
}

void begin_capture(StreamHandle stream) {
  T2I_CALL(begin_capture, "cuStreamBeginCapture", stream_of(stream), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
}

GraphHandle end_capture(StreamHandle stream) {
  CUgraph graph = nullptr;
  T2I_CALL(end_capture, "cuStreamEndCapture", stream_of(stream), &graph);
  CUgraphExec launchable = nullptr;
  const CUresult status = driver().instantiate_graph(&launchable, graph, 0);
  driver().destroy_graph(graph);
  check("cuGraphInstantiate", status);
  return launchable;
}

void abandon_capture(StreamHandle stream) noexcept {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  driver().is_capturing(stream_of(stream), &status);
  if (status == CU_STREAM_CAPTURE_STATUS_NONE) return;
  CUgraph graph = nullptr;
  driver().end_capture(stream_of(stream), &graph);
  if (graph != nullptr) driver().destroy_graph(graph);
}

void launch(GraphHandle graph, StreamHandle stream) {
  T2I_CALL(launch_graph, "cuGraphLaunch", static_cast<CUgraphExec>(graph), stream_of(stream));
}

void destroy_graph(GraphHandle graph) noexcept { driver().destroy_graph_exec(static_cast<CUgraphExec>(graph)); }

EventHandle create_event() {
  CUevent event = nullptr;
  T2I_CALL(create_event, "cuEventCreate", &event, static_cast<unsigned>(CU_EVENT_DEFAULT));
  return event;
}

void destroy_event(EventHandle event) noexcept { driver().destroy_event(event_of(event)); }

void record(EventHandle event, StreamHandle stream) {
  T2I_CALL(record_event, "cuEventRecord", event_of(event), stream_of(stream));
}

bool passed(EventHandle event) {
  require_usable("cuEventQuery");
  return is_done("cuEventQuery", driver().query_event(event_of(event)));
}

float elapsed(EventHandle start, EventHandle end) {
  float milliseconds = 0;
  T2I_CALL(elapsed, "cuEventElapsedTime", &milliseconds, event_of(start), event_of(end));
  return milliseconds;
}

}  // namespace t2i::cuda
