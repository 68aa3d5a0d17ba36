#include "cuda/sim_device.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace t2i::cuda {

namespace {

constexpr std::size_t kMemoryBytes = std::size_t{1} << 30;
constexpr std::size_t kAlignment = 256;
constexpr int kCudaVersion = 13000;

/// Calls that CUDA refuses while the calling thread captures (mode thread-local); they spoil the capture.
bool spoils_capture() {
  std::lock_guard lock(sim_device().mutex);
  bool spoilt = false;
  for (SimQueue* stream : sim_device().streams) {
    if (!stream->captured_here()) continue;
    stream->spoil_capture();
    spoilt = true;
  }
  return spoilt;
}

void* allocate_memory(const char* call, std::size_t bytes, bool pinned) {
  sim_call(call);
  if (spoils_capture()) sim_misuse(call, "not possible while this thread captures");
  SimDevice& sim = sim_device();
  std::lock_guard lock(sim.mutex);
  if (!pinned && (bytes > kMemoryBytes || sim.used_bytes + bytes > kMemoryBytes)) {
    throw Error(ErrorCode::out_of_memory, std::string(call) + ": " + std::to_string(bytes) +
                                              " bytes do not fit beside " + std::to_string(sim.used_bytes) + " of " +
                                              std::to_string(kMemoryBytes));
  }
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, bytes) != 0)
    throw Error(ErrorCode::out_of_memory, std::string(call) + ": the host has no memory left");
  // As numbers these are NaN: reading what was never written shows.
  std::memset(memory, 0xff, bytes);
  sim.memory[static_cast<const char*>(memory)] = {bytes, pinned};
  if (!pinned) sim.used_bytes += bytes;
  return memory;
}

void release_memory(const char* call, void* memory, bool pinned) noexcept {
  if (memory == nullptr) return;
  spoils_capture();
  {
    SimDevice& sim = sim_device();
    std::lock_guard lock(sim.mutex);
    const auto found = sim.memory.find(static_cast<const char*>(memory));
    if (found == sim.memory.end() || found->second.pinned != pinned) sim_abort(call);
    if (!pinned) sim.used_bytes -= found->second.bytes;
    sim.memory.erase(found);
  }
  std::free(memory);
}

}  // namespace

SimDevice& sim_device() {
  // Never destroyed: threads of other modules may still use it while the process ends.
  static SimDevice* const instance = new SimDevice;
  return *instance;
}

[[noreturn]] void sim_misuse(const char* call, const std::string& what) {
  throw Error(ErrorCode::backend_failed, std::string(call) + ": " + what);
}

[[noreturn]] void sim_abort(const char* call) {
  std::fprintf(stderr, "%s: what is destroyed does not exist\n", call);
  std::abort();
}

void sim_fail_call(int64_t n, SimFailure failure) noexcept {
  SimDevice& sim = sim_device();
  std::lock_guard lock(sim.mutex);
  sim.calls = 0;
  sim.calls_of.clear();
  sim.failing_call = n;
  sim.failure = failure;
  sim.lost = false;
}

int64_t sim_calls() noexcept {
  std::lock_guard lock(sim_device().mutex);
  return sim_device().calls;
}

int64_t sim_calls_of(const char* name) noexcept {
  std::lock_guard lock(sim_device().mutex);
  const auto found = sim_device().calls_of.find(name);
  return found == sim_device().calls_of.end() ? 0 : found->second;
}

int64_t sim_live() noexcept {
  SimDevice& sim = sim_device();
  std::lock_guard lock(sim.mutex);
  return static_cast<int64_t>(sim.memory.size() + sim.streams.size() + sim.graphs.size() + sim.events.size());
}

void sim_call(const char* name) {
  SimDevice& sim = sim_device();
  std::lock_guard lock(sim.mutex);
  sim.calls += 1;
  sim.calls_of[name] += 1;
  const bool fails = sim.failure != SimFailure::none && sim.calls == sim.failing_call;
  if (fails && sim.failure == SimFailure::sticky) sim.lost = true;
  if (sim.lost) throw Error(ErrorCode::device_lost, std::string(name) + ": the simulated device is lost");
  if (!fails) return;
  const bool memory = sim.failure == SimFailure::out_of_memory;
  throw Error(memory ? ErrorCode::out_of_memory : ErrorCode::backend_failed,
              std::string(name) + ": simulated failure of call " + std::to_string(sim.calls));
}

bool sim_synchronize_device() {
  std::lock_guard lock(sim_device().mutex);
  bool refused = false;
  for (SimQueue* stream : sim_device().streams) {
    if (!stream->is_capturing()) continue;
    stream->spoil_capture();
    refused = true;
  }
  if (refused) return false;
  for (SimQueue* stream : sim_device().streams) stream->wait();
  return true;
}

void sim_require(const char* call, const char* what, const void* memory, std::size_t bytes) {
  SimDevice& sim = sim_device();
  std::lock_guard lock(sim.mutex);
  const char* begin = static_cast<const char*>(memory);
  auto after = sim.memory.upper_bound(begin);
  if (after != sim.memory.begin()) {
    const auto& [start, allocation] = *--after;
    if (begin + bytes <= start + allocation.bytes) return;
  }
  sim_misuse(call,
             std::string(what) + " (" + std::to_string(bytes) + " bytes) lies outside the device's and pinned memory");
}

const char* device_kind() noexcept { return "sim"; }

DeviceProbe probe() noexcept {
  // A test's, 75 for 7.5, which the stand-in for TensorRT-RTX reads too.
  const char* given = std::getenv("T2I_SIM_COMPUTE");
  const int capability = given == nullptr ? 89 : std::atoi(given);
  const DeviceInfo device{0, "simulated device", capability / 10, capability % 10, kMemoryBytes};
  return {true, "", "", kCudaVersion, kCudaVersion, {device}};
}

void use_device(int index) {
  sim_call("use_device");
  if (index != 0) sim_misuse("use_device", "expected 0, the only device, received " + std::to_string(index));
}

void* allocate(std::size_t bytes) { return allocate_memory("allocate", bytes, false); }
void release(void* memory) noexcept { release_memory("release", memory, false); }
void* allocate_pinned(std::size_t bytes) { return allocate_memory("allocate_pinned", bytes, true); }
void release_pinned(void* memory) noexcept { release_memory("release_pinned", memory, true); }

void* device_address(void* pinned) {
  sim_call("device_address");
  sim_require("device_address", "the memory", pinned, 1);
  return pinned;
}

}  // namespace t2i::cuda
