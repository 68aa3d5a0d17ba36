#include "infer/engine.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "infer/sim_capability.h"

namespace t2i::fake {

namespace {

/// As long as a test keeps the file; the end is only so that a fault is an error instead of a hang.
void wait_while_there_is(const std::string& file) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::minutes(1);
  while (!file.empty() && access(file.c_str(), F_OK) == 0 && Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// @throws BadEngine
void require_device(const ToyEngine& toy) {
  const auto& built = toy.capabilities;
  if (!kRtx || std::find(built.begin(), built.end(), device_capability()) != built.end()) return;
  throw BadEngine(
      "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (The engine was not built for the compute "
      "capability of this device, please rebuild.)");
}

void* deserialize_cuda_engine(void* self, const void* blob, std::size_t bytes) {
  const Log& log = Runtime::of(self).log;
  wait_while_there_is(Failures().text("open-waits-for"));
  if (Failures().has("null-engine")) {
    log.error("IRuntime::deserializeCudaEngine: Error Code 1: Internal Error (the stand-in was told to refuse)");
    return nullptr;
  }
  try {
    const int version = Failures().number("version", kVersion);
    ToyEngine toy = deserialize(std::string(static_cast<const char*>(blob), bytes), version);
    require_device(toy);
    return (new Engine(log, std::move(toy), bytes))->facade();
  } catch (const BadEngine& error) {
    log.error(error.what());
    return nullptr;
  }
}

/// @param config of TensorRT-RTX, null elsewhere
void* make_context(const Engine& engine, const RuntimeConfig* config) {
  if (Failures().has("null-context")) {
    engine.log.error(
        "ICudaEngine::createExecutionContext: Error Code 2: OutOfMemory (Requested size was 1048576 bytes.)");
    return nullptr;
  }
  return (new Context(engine, config))->facade();
}

void* create_context(void* self, tensorrt::AllocationStrategy) { return make_context(Engine::of(self), nullptr); }

void* create_context_with_config(void* self, void* config) {
  return make_context(Engine::of(self), &RuntimeConfig::of_facade(config));
}

const char* io_tensor_name(void* self, int32_t index) {
  const ToyEngine& toy = Engine::of(self).toy;
  const auto i = static_cast<std::size_t>(index);
  const Tensor& tensor = i < toy.inputs.size() ? toy.inputs[i] : toy.outputs.at(i - toy.inputs.size());
  return tensor.name.c_str();
}

tensorrt::Dims64 engine_shape(void* self, const char* name) {
  const Tensor* tensor = Engine::of(self).toy.find(name);
  return tensor == nullptr ? no_dims() : to_dims(tensor->dims);
}

tensorrt::TensorLocation location(void* self, const char* name) {
  const bool host = Failures().has("host-input") && Engine::of(self).toy.inputs.front().name == name;
  return host ? tensorrt::TensorLocation::host : tensorrt::TensorLocation::device;
}

tensorrt::TensorIOMode io_mode(void* self, const char* name) {
  const ToyEngine& toy = Engine::of(self).toy;
  if (toy.find(name) == nullptr) return tensorrt::TensorIOMode::none;
  return toy.is_input(name) ? tensorrt::TensorIOMode::input : tensorrt::TensorIOMode::output;
}

tensorrt::Dims64 profile_shape(void* self, const char* name, int32_t profile, tensorrt::ProfileSelector selector) {
  const ToyEngine& toy = Engine::of(self).toy;
  if (profile != 0 || !toy.is_input(name)) return no_dims();
  const Range range = toy.range(*toy.find(name));
  const Shape* const parts[] = {&range.min, &range.opt, &range.max};
  return to_dims(*parts[static_cast<int>(selector)]);
}

}  // namespace

const MethodTable& Runtime::methods() {
  static const MethodTable table = MethodTable().set(kSlots.deserialize_cuda_engine, &deserialize_cuda_engine);
  return table;
}

namespace {

MethodTable rtx_methods() {
  if (!kRtx) return MethodTable();
  return MethodTable()
      .set(
          kSlots.create_runtime_config, +[](void*) { return (new RuntimeConfig)->facade(); })
      .set(kSlots.create_context_with_config, &create_context_with_config);
}

}  // namespace

const MethodTable& Engine::methods() {
  static const MethodTable table =
      rtx_methods()
          .set(kSlots.create_execution_context, &create_context)
          .set(
              kSlots.get_nb_io_tensors,
              +[](void* self) {
                const ToyEngine& toy = of(self).toy;
                return static_cast<int32_t>(toy.inputs.size() + toy.outputs.size());
              })
          .set(kSlots.get_io_tensor_name, &io_tensor_name)
          .set(kSlots.get_engine_tensor_shape, &engine_shape)
          .set(
              kSlots.get_tensor_data_type, +[](void* self, const char* name) { return of(self).toy.find(name)->type; })
          .set(kSlots.get_tensor_location, &location)
          .set(kSlots.get_tensor_io_mode, &io_mode)
          .set(kSlots.get_profile_shape, &profile_shape);
  return table;
}

}  // namespace t2i::fake
