#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "cuda/sim.h"
#include "infer/engine.h"

namespace t2i::fake {

namespace {

constexpr std::uintptr_t kAlignment = 256;
/// States of a context are counted from 0.
constexpr int kDestroyed = -1;
constexpr int kAny = -2;

std::string text_of(const Shape& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "[" : ",") + std::to_string(size);
  return text + "]";
}

bool lies_within(const Range& range, const Shape& shape) {
  if (shape.size() != range.min.size()) return false;
  for (std::size_t axis = 0; axis < shape.size(); axis++) {
    if (shape[axis] < range.min[axis] || shape[axis] > range.max[axis]) return false;
  }
  return true;
}

/// A forward in a stream's queue or in a graph.
struct Queued {
  ToyForward forward;
  std::shared_ptr<std::atomic<int>> context_state;
  /// Of the context, when a capture recorded this; any for what is not recorded.
  int captured_state;
  void* activations;
  std::size_t activation_bytes;
  bool fallback;

  static void run(void* argument) {
    auto& queued = *static_cast<Queued*>(argument);
    // A graph must not outlive the context whose memory it uses, nor any change of it.
    const int state = *queued.context_state;
    if (state == kDestroyed || (queued.captured_state != kAny && queued.captured_state != state)) warnings++;
    if (queued.fallback) fallbacks++;
    // A forward leaves there what it likes.
    std::memset(queued.activations, 0xa5, queued.activation_bytes);
    queued.forward.run();
  }
  static void drop(void* argument) { delete static_cast<Queued*>(argument); }
};

}  // namespace

namespace {

/// Where each context works.
struct Workplaces {
  std::mutex mutex;
  std::map<const Context*, void*> memory;
};
Workplaces& workplaces() {
  static Workplaces instance;
  return instance;
}

}  // namespace

Context::~Context() {
  *state_ = kDestroyed;
  engine_.contexts--;
  const std::lock_guard<std::mutex> lock(workplaces().mutex);
  workplaces().memory.erase(this);
}

void Context::set_memory(void* memory) {
  if (memory_ != memory) ++*state_;
  memory_ = memory;
  const std::lock_guard<std::mutex> lock(workplaces().mutex);
  workplaces().memory[this] = memory;
}

int Context::blocks() {
  const std::lock_guard<std::mutex> lock(workplaces().mutex);
  std::set<void*> blocks;
  for (const auto& [context, memory] : workplaces().memory) blocks.insert(memory);
  return static_cast<int>(blocks.size());
}

Context::Context(const Engine& engine, const RuntimeConfig* config) : engine_(engine) {
  engine.contexts++;
  if (config != nullptr) {
    eager_ = config->eager;
    kernels_ = config->kernels;
  } else if (kRtx) {
    eager_ = false;
    kernels_ = std::make_shared<Kernels>();
  }
  for (const Tensor& input : engine.toy.inputs) {
    if (!input.is_dynamic()) shapes_[input.name] = input.dims;
  }
}

bool Context::refuse(const std::string& method, const std::string& why) const {
  engine_.log.error("IExecutionContext::" + method + ": Error Code 3: API Usage Error (" + why + ")");
  return false;
}

bool Context::set_shape(const char* name, Shape shape) {
  if (!engine_.toy.is_input(name)) return refuse("setInputShape", std::string("there is no input ") + name);
  const Range range = engine_.toy.range(*engine_.toy.find(name));
  if (!lies_within(range, shape)) {
    return refuse("setInputShape", std::string("Set dimension of ") + name + " is " + text_of(shape) +
                                       ", which does not satisfy " + text_of(range.min) + " to " + text_of(range.max));
  }
  Shape& known = shapes_[name];
  if (known != shape) {
    first_ = true;
    ++*state_;
  }
  known = std::move(shape);
  return true;
}

Shape Context::shape(const std::string& name) const {
  const auto found = shapes_.find(name);
  if (found != shapes_.end()) return found->second;
  const Tensor* tensor = engine_.toy.find(name);
  if (tensor == nullptr || engine_.toy.is_input(name)) return {};
  return output_shape(engine_.toy, *tensor, shapes_);
}

bool Context::set_address(const char* name, void* memory) {
  if (engine_.toy.find(name) == nullptr) return refuse("setTensorAddress", std::string("there is no tensor ") + name);
  if (reinterpret_cast<std::uintptr_t>(memory) % kAlignment != 0) {
    return refuse("setTensorAddress", std::string(name) + " is not aligned to 256 bytes");
  }
  addresses_[name] = memory;
  return true;
}

std::size_t Context::activation_bytes() const {
  // As TensorRT says it where a shape is not known yet.
  if (shapes_.empty()) return 0;
  const auto& [name, shape] = *shapes_.begin();
  std::size_t bytes = 64;
  for (const int64_t size : shape) bytes *= static_cast<std::size_t>(size);
  return bytes;
}

bool Context::specialised() {
  if (kernels_ == nullptr) return true;
  std::string key = std::to_string(static_cast<int>(engine_.toy.role)) + "/" + std::to_string(engine_.toy.salt);
  for (const auto& [name, shape] : shapes_) key += " " + name + text_of(shape);
  const bool known = !kernels_->insert(key).second;
  if (!known) compilations++;
  return known || eager_;
}

bool Context::enqueue(void* stream) {
  if (failures_.has("crash-enqueue")) std::abort();
  if (failures_.has("enqueue-false")) {
    engine_.log.error("IExecutionContext::enqueueV3: Error Code 1: Cuda Runtime (the stand-in was told to fail)");
    return false;
  }
  auto* queue = static_cast<cuda::SimStream*>(stream);
  const int captured_state = queue->capturing(queue) ? state_->load() : kAny;
  auto queued = std::make_unique<Queued>(Queued{
      {engine_.toy, failures_, shapes_, addresses_}, state_, captured_state, memory_, activation_bytes(), false});
  for (const auto* tensors : {&engine_.toy.inputs, &engine_.toy.outputs}) {
    for (const Tensor& tensor : *tensors) {
      Shape known = shape(tensor.name);
      // A scalar has a shape too: an empty one.
      if (known.size() != tensor.dims.size()) return refuse("enqueueV3", "the shape of " + tensor.name + " is not set");
      queued->forward.shapes[tensor.name] = std::move(known);
      if (addresses_[tensor.name] == nullptr)
        return refuse("enqueueV3", "Address is not set for tensor " + tensor.name);
    }
  }
  if (memory_ == nullptr) return refuse("enqueueV3", "the device memory is not set");
  queued->fallback = !specialised();
  if (first_ && !queue->synchronize_device(queue)) {
    engine_.log.error(
        "IExecutionContext::enqueueV3: Error Code 1: Cuda Runtime (operation not permitted when stream is capturing)");
    return false;
  }
  first_ = false;
  queue->enqueue(queue, &Queued::run, &Queued::drop, queued.release());
  return true;
}

namespace {

MethodTable rtx_methods() {
  if (!kRtx) return MethodTable();
  return MethodTable().set(
      kSlots.is_stream_capturable, +[](void* self, void*) { return Context::of(self).capturable(); });
}

}  // namespace

const MethodTable& Context::methods() {
  static const MethodTable table =
      rtx_methods()
          .set(
              kSlots.update_device_memory_size, +[](void* self) { return of(self).activation_bytes(); })
          .set(
              kSlots.set_device_memory, +[](void* self, void* memory) { of(self).set_memory(memory); })
          .set(
              kSlots.set_input_shape,
              +[](void* self, const char* name, const tensorrt::Dims64* dims) {
                return of(self).set_shape(name, from_dims(*dims));
              })
          .set(
              kSlots.get_context_tensor_shape,
              +[](void* self, const char* name) {
                Context& context = of(self);
                const Tensor* tensor = context.engine_.toy.find(name);
                if (tensor == nullptr) return no_dims();
                const Shape shape = context.shape(name);
                return to_dims(shape.size() == tensor->dims.size() ? shape : tensor->dims);
              })
          .set(
              kSlots.set_tensor_address,
              +[](void* self, const char* name, void* memory) { return of(self).set_address(name, memory); })
          .set(kSlots.enqueue_v3, +[](void* self, void* stream) { return of(self).enqueue(stream); });
  return table;
}

}  // namespace t2i::fake
