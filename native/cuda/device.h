#pragma once

// The device seam: all that the core asks of a device. Exactly one of cuda.cc (CUDA driver), sim.cc (host memory,
// streams as threads; for tests) and none.cc (an addon built without a CUDA compiler) is linked. Owners of what it
// returns are in resources.h; nothing else calls create/destroy pairs.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace t2i::cuda {

/// `cuda`, `sim` or `none`.
const char* device_kind() noexcept;

struct DeviceInfo {
  int index;
  std::string name;
  /// For example 8 and 9 for compute capability 8.9.
  int compute_major;
  int compute_minor;
  std::size_t memory_bytes;
};

struct DeviceProbe {
  bool available;
  /// Why not, and what helps; empty where it is available.
  std::string reason;
  std::string hint;
  /// The newest CUDA that the driver knows, and the one that the addon was built with, as CUDA counts, for example
  /// 13010; 0 where unknown.
  int driver_version;
  int runtime_version;
  std::vector<DeviceInfo> devices;
};

/// Never throws, never crashes; also without a driver.
DeviceProbe probe() noexcept;

/// A CUstream, which is a cudaStream_t, or a SimStream* (sim.h).
using StreamHandle = void*;
using GraphHandle = void*;
using EventHandle = void*;

// Every function below throws Error: OUT_OF_MEMORY, DEVICE_LOST (once a sticky error came, always), BACKEND_FAILED.
// Those marked noexcept do nothing on failure.

/// Makes device `index` current for the calling thread.
void use_device(int index);

/// Device memory, aligned to 256 bytes.
void* allocate(std::size_t bytes);
void release(void* memory) noexcept;
/// Page-locked host memory that the device can write; `device_address` is where the device sees it.
void* allocate_pinned(std::size_t bytes);
void* device_address(void* pinned);
void release_pinned(void* memory) noexcept;

StreamHandle create_stream();
/// Waits for what is queued, then destroys.
void destroy_stream(StreamHandle stream) noexcept;
/// Blocks until everything queued has run.
void synchronize(StreamHandle stream);
/// Whether everything queued has run, without waiting; throws where it failed.
bool finished(StreamHandle stream);

// Asynchronous, in stream order; they may be captured. Host memory must be pinned and live until the stream is past
// them.
void copy_to_device(void* device, const void* host, std::size_t bytes, StreamHandle stream);
void copy_to_host(void* host, const void* device, std::size_t bytes, StreamHandle stream);
void copy_on_device(void* target, const void* source, std::size_t bytes, StreamHandle stream);
void fill_zero(void* device, std::size_t bytes, StreamHandle stream);

/// Between these two, work for the stream is recorded, not run (thread-local mode).
void begin_capture(StreamHandle stream);
/// Ends the capture and makes the recorded work launchable.
GraphHandle end_capture(StreamHandle stream);
/// Ends a capture that failed; the stream can be used again.
void abandon_capture(StreamHandle stream) noexcept;
void launch(GraphHandle graph, StreamHandle stream);
void destroy_graph(GraphHandle graph) noexcept;

EventHandle create_event();
void destroy_event(EventHandle event) noexcept;
void record(EventHandle event, StreamHandle stream);
/// Whether the stream has come past the last `record`, without waiting; throws where it failed.
bool passed(EventHandle event);
/// Milliseconds between two events that have passed.
float elapsed(EventHandle start, EventHandle end);

}  // namespace t2i::cuda
