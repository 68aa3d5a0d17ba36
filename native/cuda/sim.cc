// Streams, captures, graphs and events of the simulated device.

#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>

#include "cuda/device.h"
#include "cuda/sim_device.h"

namespace t2i::cuda {

namespace {

SimQueue& queue_of(const char* call, StreamHandle stream) {
  std::lock_guard lock(sim_device().mutex);
  const auto found = sim_device().streams.find(static_cast<SimQueue*>(static_cast<SimStream*>(stream)));
  if (found == sim_device().streams.end()) sim_misuse(call, "the stream does not exist");
  return **found;
}

std::shared_ptr<SimEvent> event_of(const char* call, EventHandle event) {
  std::lock_guard lock(sim_device().mutex);
  const auto found = sim_device().events.find(reinterpret_cast<uintptr_t>(event));
  if (found == sim_device().events.end()) sim_misuse(call, "the event does not exist");
  return found->second;
}

void refuse_in_capture(const char* call, SimQueue& stream) {
  if (!stream.is_capturing()) return;
  stream.spoil_capture();
  sim_misuse(call, "not possible while the stream captures");
}

void copy(const char* call, void* target, const void* source, std::size_t bytes, StreamHandle stream) {
  sim_call(call);
  sim_require(call, "the target", target, bytes);
  sim_require(call, "the source", source, bytes);
  sim_enqueue(call, stream, [=] { std::memcpy(target, source, bytes); });
}

}  // namespace

void sim_enqueue(const char* call, StreamHandle stream, std::function<void()> work) {
  using Work = std::function<void()>;
  queue_of(call, stream)
      .push(std::make_shared<SimWork>([](void* argument) { (*static_cast<Work*>(argument))(); },
                                      [](void* argument) { delete static_cast<Work*>(argument); },
                                      new Work(std::move(work))));
}

StreamHandle create_stream() {
  sim_call("create_stream");
  auto stream = std::make_unique<SimQueue>();
  std::lock_guard lock(sim_device().mutex);
  sim_device().streams.insert(stream.get());
  return static_cast<SimStream*>(stream.release());
}

void destroy_stream(StreamHandle stream) noexcept {
  if (stream == nullptr) return;
  auto* queue = static_cast<SimQueue*>(static_cast<SimStream*>(stream));
  {
    std::lock_guard lock(sim_device().mutex);
    if (sim_device().streams.erase(queue) == 0) sim_abort("destroy_stream");
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
  if (!queue.captured_here()) sim_misuse("end_capture", "this thread began no capture of the stream");
  auto graph = std::make_shared<SimGraph>();
  if (!queue.end_capture(*graph))
    sim_misuse("end_capture", "the capture was spoilt by a call that must not come within it");
  SimDevice& sim = sim_device();
  std::lock_guard lock(sim.mutex);
  sim.graphs[sim.next_handle] = std::move(graph);
  return reinterpret_cast<GraphHandle>(sim.next_handle++);
}

void abandon_capture(StreamHandle stream) noexcept {
  if (stream == nullptr) return;
  SimQueue& queue = *static_cast<SimQueue*>(static_cast<SimStream*>(stream));
  SimGraph dropped;
  if (queue.is_capturing()) queue.end_capture(dropped);
}

void launch(GraphHandle graph, StreamHandle stream) {
  sim_call("launch");
  std::shared_ptr<SimGraph> work;
  {
    std::lock_guard lock(sim_device().mutex);
    const auto found = sim_device().graphs.find(reinterpret_cast<uintptr_t>(graph));
    if (found == sim_device().graphs.end()) sim_misuse("launch", "the graph does not exist");
    work = found->second;
  }
  queue_of("launch", stream).push(*work);
}

void destroy_graph(GraphHandle graph) noexcept {
  if (graph == nullptr) return;
  std::shared_ptr<SimGraph> dropped;
  std::lock_guard lock(sim_device().mutex);
  const auto found = sim_device().graphs.find(reinterpret_cast<uintptr_t>(graph));
  if (found == sim_device().graphs.end()) sim_abort("destroy_graph");
  dropped.swap(found->second);
  sim_device().graphs.erase(found);
}

EventHandle create_event() {
  sim_call("create_event");
  SimDevice& sim = sim_device();
  std::lock_guard lock(sim.mutex);
  sim.events[sim.next_handle] = std::make_shared<SimEvent>();
  return reinterpret_cast<EventHandle>(sim.next_handle++);
}

void destroy_event(EventHandle event) noexcept {
  if (event == nullptr) return;
  std::lock_guard lock(sim_device().mutex);
  if (sim_device().events.erase(reinterpret_cast<uintptr_t>(event)) == 0) sim_abort("destroy_event");
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

bool passed(EventHandle event) {
  sim_call("passed");
  const std::shared_ptr<SimEvent> state = event_of("passed", event);
  if (!state->recorded) sim_misuse("passed", "the event was never recorded");
  return state->pending == 0;
}

float elapsed(EventHandle start, EventHandle end) {
  sim_call("elapsed");
  const std::shared_ptr<SimEvent> first = event_of("elapsed", start);
  const std::shared_ptr<SimEvent> last = event_of("elapsed", end);
  for (const auto& event : {first, last}) {
    if (!event->recorded || event->pending != 0) sim_misuse("elapsed", "an event has not passed yet");
  }
  return static_cast<float>(last->nanoseconds - first->nanoseconds) * 1e-6f;
}

}  // namespace t2i::cuda
