#pragma once

// The simulated device, for tests: device memory is host memory, a stream is a thread that runs what is queued in
// order, a graph is the recorded work, replayed. The stand-in TensorRT libraries (test/native/fake) queue their
// networks through SimStream.

#include <cstdint>

namespace t2i::cuda {

/// What a StreamHandle points to. A plain C layout, since it crosses shared libraries.
struct SimStream {
  /// Queues `work(argument)`, or records it within a capture. A recorded graph may run it many times; `drop(argument)`
  /// is called once, when nothing can run it any more.
  void (*enqueue)(SimStream* stream, void (*work)(void*), void (*drop)(void*), void* argument);
  /// cudaDeviceSynchronize, as TensorRT may call it: while any stream of the device captures it is refused, and spoils
  /// the captures. @returns whether it was done
  bool (*synchronize_device)(SimStream* stream);
  /// cudaStreamIsCapturing.
  bool (*capturing)(SimStream* stream);
};

enum class SimFailure {
  none,
  out_of_memory,
  /// One call fails, the device goes on.
  launch,
  /// Every later call fails too.
  sticky,
};

/// Lets the `n`-th call of the seam from now on fail, counted from 1 over all threads; `SimFailure::none` ends it and
/// heals the device.
void sim_fail_call(int64_t n, SimFailure failure) noexcept;
/// Calls of the seam since the last sim_fail_call: how many ks there are to try.
int64_t sim_calls() noexcept;
/// The same of one function, for example `launch`.
int64_t sim_calls_of(const char* name) noexcept;
/// Allocations, streams, events and graphs that exist now: 0 where nothing leaks.
int64_t sim_live() noexcept;

}  // namespace t2i::cuda
