#include "cuda/sim.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "cuda/device.h"
#include "cuda/sim_device.h"
#include "cuda/sim_stream.h"
#include "error.h"

namespace t2i::cuda {

namespace {

constexpr std::size_t kMemoryBytes = std::size_t{1} << 30;
constexpr std::size_t kAlignment = 256;
constexpr int kCudaVersion = 13000;

struct Allocation {
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
struct Device {
  std::mutex mutex;
  std::map<const char*, Allocation> memory;
  std::size_t used_bytes = 0;
  std::set<SimQueue*> streams;
  // Handles of graphs and events are numbers that are never used twice, so that a destroyed one is always found out.
  std::map<uintptr_t, std::shared_ptr<SimGraph>> graphs;
  std::map<uintptr_t, std::shared_ptr<SimEvent>> events;
  uintptr_t next_handle = 1;
  int64_t calls = 0;
  int64_t failing_call = 0;
  SimFailure failure = SimFailure::none;
  bool lost = false;
};

Device& device() {
  // Never destroyed: threads of other modules may still use it while the process ends.
  static Device* const instance = new Device;
  return *instance;
}

[[noreturn]] void misuse(const char* call, const std::string& what) {
  throw Error(ErrorCode::backend_failed, std::string(call) + ": " + what);
}

/// For functions that cannot throw: a wrong handle there is a bug of ours that must not pass unseen.
[[noreturn]] void abort_on_misuse(const char* call) {
  std::fprintf(stderr, "%s: what is destroyed does not exist\n", call);
  std::abort();
}

SimQueue& queue_of(const char* call, StreamHandle stream) {
  std::lock_guard lock(device().mutex);
  const auto found = device().streams.find(static_cast<SimQueue*>(static_cast<SimStream*>(stream)));
  if (found == device().streams.end()) misuse(call, "the stream does not exist");
  return **found;
}

std::shared_ptr<SimEvent> event_of(const char* call, EventHandle event) {
  std::lock_guard lock(device().mutex);
  const auto found = device().events.find(reinterpret_cast<uintptr_t>(event));
  if (found == device().events.end()) misuse(call, "the event does not exist");
  return found->second;
}

/// Calls that CUDA refuses while the calling thread captures (mode thread-local); they spoil the capture.
bool spoils_capture() {
  std::lock_guard lock(device().mutex);
  bool spoilt = false;
  for (SimQueue* stream : device().streams) {
    if (!stream->captured_here()) continue;
    stream->spoil_capture();
    spoilt = true;
  }
  return spoilt;
}

void refuse_in_capture(const char* call, SimQueue& stream) {
  if (!stream.capturing()) return;
  stream.spoil_capture();
  misuse(call, "not possible while the stream captures");
}

void* allocate_memory(const char* call, std::size_t bytes, bool pinned) {
  sim_call(call);
  if (spoils_capture()) misuse(call, "not possible while this thread captures");
  Device& sim = device();
  std::lock_guard lock(sim.mutex);
  if (!pinned && (bytes > kMemoryBytes || sim.used_bytes + bytes > kMemoryBytes)) {
    throw Error(ErrorCode::out_of_memory, std::string(call) + ": " + std::to_string(bytes) + " bytes do not fit beside " +
                                              std::to_string(sim.used_bytes) + " of " + std::to_string(kMemoryBytes));
  }
  void* memory = std::aligned_alloc(kAlignment, (bytes / kAlignment + 1) * kAlignment);
  if (memory == nullptr) throw Error(ErrorCode::out_of_memory, std::string(call) + ": the host has no memory left");
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
    Device& sim = device();
    std::lock_guard lock(sim.mutex);
    const auto found = sim.memory.find(static_cast<const char*>(memory));
    if (found == sim.memory.end() || found->second.pinned != pinned) abort_on_misuse(call);
    if (!pinned) sim.used_bytes -= found->second.bytes;
    sim.memory.erase(found);
  }
  std::free(memory);
}

void copy(const char* call, void* target, const void* source, std::size_t bytes, StreamHandle stream) {
  sim_call(call);
  sim_require(call, "the target", target, bytes);
  sim_require(call, "the source", source, bytes);
  sim_enqueue(call, stream, [=] { std::memcpy(target, source, bytes); });
}

}  // namespace

void sim_fail_call(int64_t n, SimFailure failure) noexcept {
  Device& sim = device();
  std::lock_guard lock(sim.mutex);
  sim.calls = 0;
  sim.failing_call = n;
  sim.failure = failure;
  sim.lost = false;
}

int64_t sim_calls() noexcept {
  std::lock_guard lock(device().mutex);
  return device().calls;
}

int64_t sim_live() noexcept {
  Device& sim = device();
  std::lock_guard lock(sim.mutex);
  return static_cast<int64_t>(sim.memory.size() + sim.streams.size() + sim.graphs.size() + sim.events.size());
}

void sim_call(const char* name) {
  Device& sim = device();
  std::lock_guard lock(sim.mutex);
  sim.calls += 1;
  const bool fails = sim.failure != SimFailure::none && sim.calls == sim.failing_call;
  if (fails && sim.failure == SimFailure::sticky) sim.lost = true;
  if (sim.lost) throw Error(ErrorCode::device_lost, std::string(name) + ": the simulated device is lost");
  if (!fails) return;
  const bool memory = sim.failure == SimFailure::out_of_memory;
  throw Error(memory ? ErrorCode::out_of_memory : ErrorCode::backend_failed,
              std::string(name) + ": simulated failure of call " + std::to_string(sim.calls));
}

void sim_require(const char* call, const char* what, const void* memory, std::size_t bytes) {
  Device& sim = device();
  std::lock_guard lock(sim.mutex);
  const char* begin = static_cast<const char*>(memory);
  auto after = sim.memory.upper_bound(begin);
  if (after != sim.memory.begin()) {
    const auto& [start, allocation] = *--after;
    if (begin + bytes <= start + allocation.bytes) return;
  }
  misuse(call, std::string(what) + " (" + std::to_string(bytes) + " bytes) lies outside the device's and pinned memory");
}

void sim_enqueue(const char* call, StreamHandle stream, std::function<void()> work) {
  using Work = std::function<void()>;
  queue_of(call, stream)
      .push(std::make_shared<SimWork>([](void* argument) { (*static_cast<Work*>(argument))(); },
                                      [](void* argument) { delete static_cast<Work*>(argument); },
                                      new Work(std::move(work))));
}

const char* device_kind() noexcept { return "sim"; }

DeviceProbe probe() noexcept {
  return {true, "", "", kCudaVersion, kCudaVersion, {{0, "simulated device", 8, 9, kMemoryBytes}}};
}

void use_device(int index) {
  sim_call("use_device");
  if (index != 0) misuse("use_device", "expected 0, the only device, received " + std::to_string(index));
}

MemoryInfo memory_info() {
  sim_call("memory_info");
  std::lock_guard lock(device().mutex);
  return {kMemoryBytes - device().used_bytes, kMemoryBytes};
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

StreamHandle create_stream() {
  sim_call("create_stream");
  auto stream = std::make_unique<SimQueue>();
  std::lock_guard lock(device().mutex);
  device().streams.insert(stream.get());
  return static_cast<SimStream*>(stream.release());
}

void destroy_stream(StreamHandle stream) noexcept {
  if (stream == nullptr) return;
  auto* queue = static_cast<SimQueue*>(static_cast<SimStream*>(stream));
  {
    std::lock_guard lock(device().mutex);
    if (device().streams.erase(queue) == 0) abort_on_misuse("destroy_stream");
  }
  delete queue;
}

void synchronize(StreamHandle stream) {
  sim_call("synchronize");
  SimQueue& queue = queue_of("synchronize", stream);
  refuse_in_capture("synchronize", queue);
  queue.wait();
}

bool finished(StreamHandle stream) {
  sim_call("finished");
  SimQueue& queue = queue_of("finished", stream);
  refuse_in_capture("finished", queue);
  return queue.idle();
}

void copy_to_device(void* device, const void* host, std::size_t bytes, StreamHandle stream) {
  copy("copy_to_device", device, host, bytes, stream);
}

void copy_to_host(void* host, const void* device, std::size_t bytes, StreamHandle stream) {
  copy("copy_to_host", host, device, bytes, stream);
}

void copy_on_device(void* target, const void* source, std::size_t bytes, StreamHandle stream) {
  copy("copy_on_device", target, source, bytes, stream);
}

void fill_zero(void* device, std::size_t bytes, StreamHandle stream) {
  sim_call("fill_zero");
  sim_require("fill_zero", "the memory", device, bytes);
  sim_enqueue("fill_zero", stream, [=] { std::memset(device, 0, bytes); });
}

void begin_capture(StreamHandle stream) {
  sim_call("begin_capture");
  SimQueue& queue = queue_of("begin_capture", stream);
  refuse_in_capture("begin_capture", queue);
  queue.begin_capture();
}

GraphHandle end_capture(StreamHandle stream) {
  sim_call("end_capture");
  SimQueue& queue = queue_of("end_capture", stream);
  if (!queue.captured_here()) misuse("end_capture", "this thread began no capture of the stream");
  auto graph = std::make_shared<SimGraph>();
  if (!queue.end_capture(*graph)) misuse("end_capture", "the capture was spoilt by a call that must not come within it");
  Device& sim = device();
  std::lock_guard lock(sim.mutex);
  sim.graphs[sim.next_handle] = std::move(graph);
  return reinterpret_cast<GraphHandle>(sim.next_handle++);
}

void abandon_capture(StreamHandle stream) noexcept {
  if (stream == nullptr) return;
  SimQueue& queue = *static_cast<SimQueue*>(static_cast<SimStream*>(stream));
  SimGraph dropped;
  if (queue.capturing()) queue.end_capture(dropped);
}

void launch(GraphHandle graph, StreamHandle stream) {
  sim_call("launch");
  std::shared_ptr<SimGraph> work;
  {
    std::lock_guard lock(device().mutex);
    const auto found = device().graphs.find(reinterpret_cast<uintptr_t>(graph));
    if (found == device().graphs.end()) misuse("launch", "the graph does not exist");
    work = found->second;
  }
  queue_of("launch", stream).push(*work);
}

void destroy_graph(GraphHandle graph) noexcept {
  if (graph == nullptr) return;
  std::shared_ptr<SimGraph> dropped;
  std::lock_guard lock(device().mutex);
  const auto found = device().graphs.find(reinterpret_cast<uintptr_t>(graph));
  if (found == device().graphs.end()) abort_on_misuse("destroy_graph");
  dropped.swap(found->second);
  device().graphs.erase(found);
}

EventHandle create_event() {
  sim_call("create_event");
  Device& sim = device();
  std::lock_guard lock(sim.mutex);
  sim.events[sim.next_handle] = std::make_shared<SimEvent>();
  return reinterpret_cast<EventHandle>(sim.next_handle++);
}

void destroy_event(EventHandle event) noexcept {
  if (event == nullptr) return;
  std::lock_guard lock(device().mutex);
  if (device().events.erase(reinterpret_cast<uintptr_t>(event)) == 0) abort_on_misuse("destroy_event");
}

void record(EventHandle event, StreamHandle stream) {
  sim_call("record");
  const std::shared_ptr<SimEvent> state = event_of("record", event);
  // CUDA would record it, and refuse to tell the time.
  refuse_in_capture("record", queue_of("record", stream));
  state->recorded = true;
  state->pending += 1;
  sim_enqueue("record", stream, [state] {
    state->nanoseconds = std::chrono::steady_clock::now().time_since_epoch().count();
    state->pending -= 1;
  });
}

float elapsed(EventHandle start, EventHandle end) {
  sim_call("elapsed");
  const std::shared_ptr<SimEvent> first = event_of("elapsed", start);
  const std::shared_ptr<SimEvent> last = event_of("elapsed", end);
  for (const auto& event : {first, last}) {
    if (!event->recorded || event->pending != 0) misuse("elapsed", "an event has not passed yet");
  }
  return static_cast<float>(last->nanoseconds - first->nanoseconds) * 1e-6f;
}

}  // namespace t2i::cuda
