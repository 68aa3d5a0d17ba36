#pragma once

// The state of the simulated device, for sim*.cc.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "cuda/device.h"
#include "cuda/sim.h"
#include "cuda/sim_stream.h"

namespace t2i::cuda {

struct SimAllocation {
  std::size_t bytes;
  bool pinned;
};

struct SimEvent {
  /// Records that are queued and have not run.
  std::atomic<int> pending{0};
  std::atomic<bool> recorded{false};
  std::atomic<int64_t> nanoseconds{0};
};

/// The one simulated device of this process.
struct SimDevice {
  std::mutex mutex;
  std::map<const char*, SimAllocation> memory;
  std::size_t used_bytes = 0;
  std::set<SimQueue*> streams;
  // Handles of graphs and events are numbers that are never used twice, so that a destroyed one is always found out.
  std::map<uintptr_t, std::shared_ptr<SimGraph>> graphs;
  std::map<uintptr_t, std::shared_ptr<SimEvent>> events;
  uintptr_t next_handle = 1;
  int64_t calls = 0;
  std::map<std::string, int64_t> calls_of;
  int64_t failing_call = 0;
  SimFailure failure = SimFailure::none;
  bool lost = false;
};

SimDevice& sim_device();

[[noreturn]] void sim_misuse(const char* call, const std::string& what);

/// For functions that cannot throw: a wrong handle there is a bug of ours that must not pass unseen.
[[noreturn]] void sim_abort(const char* call);

/// Counts one call of the seam; throws where it is the one that shall fail, or the device is lost.
void sim_call(const char* name);

/// Throws where `bytes` from `memory` on do not lie within one allocation, device or pinned.
void sim_require(const char* call, const char* what, const void* memory, std::size_t bytes);

/// See SimStream.
bool sim_synchronize_device();

/// Queues `work` on a stream, or records it.
void sim_enqueue(const char* call, StreamHandle stream, std::function<void()> work);

}  // namespace t2i::cuda
