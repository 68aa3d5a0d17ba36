#include "engine/engine.h"

#include <algorithm>
#include <mutex>
#include <shared_mutex>

#include "base/error.h"
#include "cuda/capture_mutex.h"
#include "engine/shared_engine.h"
#include "tensorrt/dims64.h"
#include "tensorrt/failure.h"
#include "tensorrt/library.h"
#include "tensorrt/logger.h"
#include "tensorrt/objects.h"

namespace t2i {

struct Engine::Impl {
  explicit Impl(std::shared_ptr<SharedEngine> given) : shared(std::move(given)) {}
  ~Impl() {
    const tensorrt::Listening listening = listen();
    cache = {};
    config = {};
  }

  const TensorSpec& tensor(const std::string& name) const;
  /// Around every call into TensorRT.
  tensorrt::Listening listen() { return {shared->library->logger(), log}; }

  std::shared_ptr<SharedEngine> shared;
  tensorrt::Log log;
  // Empty but for TensorRT-RTX.
  tensorrt::RuntimeConfig config;
  tensorrt::RuntimeCache cache;

  bool is_rtx() const { return shared->library->info().kind == tensorrt::Kind::rtx; }

  /// How TensorRT-RTX is to compile kernels, and what it compiled before.
  void configure(Bytes known) {
    config = shared->engine.create_runtime_config();
    if (!config) throw tensorrt::failure(log, ErrorCode::backend_failed, "TensorRT-RTX made no runtime configuration");
    config.set_allocation_strategy(tensorrt::AllocationStrategy::user_managed);
    config.set_specialization(tensorrt::Specialization::eager);
    cache = config.create_runtime_cache();
    if (!cache) return;
    if (known.size > 0) cache.deserialize(known.data, known.size);
    config.set_runtime_cache(cache);
  }

  tensorrt::ExecutionContext create_context() {
    return is_rtx() ? shared->engine.create_execution_context(config) : shared->engine.create_execution_context();
  }
};

Engine::Engine(const std::shared_ptr<tensorrt::Library>& library, Bytes serialized, Bytes runtime_cache,
               const EngineIdentity& identity)
    : impl_(std::make_unique<Impl>(share_engine(library, serialized, identity))) {
  if (!impl_->is_rtx()) return;
  const std::shared_lock lock(cuda::capture_mutex());
  const tensorrt::Listening listening = impl_->listen();
  impl_->configure(runtime_cache);
}

Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

Engine::~Engine() {
  const std::shared_lock lock(cuda::capture_mutex());
  impl_.reset();
}

const std::vector<TensorSpec>& Engine::tensors() const { return impl_->shared->tensors; }

const TensorSpec& Engine::tensor(const std::string& name) const { return impl_->tensor(name); }

std::vector<uint8_t> Engine::runtime_cache() const {
  if (!impl_->cache) return {};
  const tensorrt::Listening listening = impl_->listen();
  const tensorrt::HostMemory memory = impl_->cache.serialize();
  if (!memory) return {};
  const auto* bytes = static_cast<const uint8_t*>(memory.data());
  return {bytes, bytes + memory.size()};
}

const TensorSpec& Engine::Impl::tensor(const std::string& name) const {
  std::string known;
  for (const TensorSpec& spec : shared->tensors) {
    if (spec.name == name) return spec;
    known += (known.empty() ? "" : ", ") + spec.name;
  }
  throw Error(ErrorCode::engine_invalid, "the engine has no tensor " + name + ", it has " + known, kRebuildEngines);
}

struct Context::Impl {
  ~Impl() {
    const tensorrt::Listening listening = engine.listen();
    context = {};
  }

  // Not the Engine itself, which may be moved.
  Engine::Impl& engine;
  tensorrt::ExecutionContext context;
  /// Whether no forward was queued since a shape changed.
  bool fresh = true;
};

Context::Context(Engine& engine) {
  const std::shared_lock lock(cuda::capture_mutex());
  const tensorrt::Listening listening = engine.impl_->listen();
  impl_.reset(new Impl{*engine.impl_, engine.impl_->create_context()});
  if (!impl_->context) {
    throw tensorrt::failure(impl_->engine.log, ErrorCode::backend_failed, "TensorRT gave no execution context");
  }
}

Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

Context::~Context() {
  const std::shared_lock lock(cuda::capture_mutex());
  impl_.reset();
}

void Context::set_shape(const std::string& input, const Dims& shape) {
  const std::shared_lock lock(cuda::capture_mutex());
  const tensorrt::Listening listening = impl_->engine.listen();
  impl_->fresh = true;
  if (impl_->context.set_input_shape(input.c_str(), tensorrt::to_dims64(shape))) return;
  const TensorSpec& spec = impl_->engine.tensor(input);
  throw tensorrt::failure(impl_->engine.log, ErrorCode::backend_failed,
                          "the engine takes " + input + " of " + to_string(spec.min) + " to " + to_string(spec.max) +
                              ", received " + to_string(shape),
                          "Build an engine for this size: t2i build-engine MODELDIR --batch MIN..MAX --size PIXELS.");
}

Dims Context::shape(const std::string& tensor) const {
  const tensorrt::Listening listening = impl_->engine.listen();
  const Dims dims = tensorrt::from_dims64(impl_->context.get_tensor_shape(tensor.c_str()));
  const bool known = std::find(dims.begin(), dims.end(), -1) == dims.end();
  if (known && dims.size() == impl_->engine.tensor(tensor).dims.size()) return dims;
  throw tensorrt::failure(impl_->engine.log, ErrorCode::backend_failed,
                          "the shape of " + tensor + " is not known before every input has one");
}

std::size_t Context::activation_bytes() {
  const tensorrt::Listening listening = impl_->engine.listen();
  return impl_->context.update_device_memory_size();
}

void Context::set_activations(void* memory) {
  const tensorrt::Listening listening = impl_->engine.listen();
  impl_->context.set_device_memory(memory);
}

bool Context::capturable(cuda::StreamHandle stream) const {
  if (!impl_->engine.is_rtx()) return true;
  const tensorrt::Listening listening = impl_->engine.listen();
  return impl_->context.is_stream_capturable(stream);
}

void Context::set_address(const std::string& tensor, void* memory) {
  const tensorrt::Listening listening = impl_->engine.listen();
  if (impl_->context.set_tensor_address(tensor.c_str(), memory)) return;
  throw tensorrt::failure(impl_->engine.log, ErrorCode::backend_failed, "TensorRT refused the memory of " + tensor);
}

void Context::enqueue(cuda::StreamHandle stream) {
  std::shared_lock lock(cuda::capture_mutex(), std::defer_lock);
  if (impl_->fresh) lock.lock();
  const tensorrt::Listening listening = impl_->engine.listen();
  if (impl_->context.enqueue_v3(stream)) {
    impl_->fresh = false;
    return;
  }
  const Error refused =
      tensorrt::failure(impl_->engine.log, ErrorCode::backend_failed, "TensorRT could not queue the network");
  try {
    cuda::finished(stream);
  } catch (const Error& device) {
    // The device's state is the cause, TensorRT's words a consequence. Any other answer may be about the capture under
    // way.
    if (device.code() == ErrorCode::device_lost || device.code() == ErrorCode::out_of_memory) throw;
  }
  throw refused;
}

}  // namespace t2i
