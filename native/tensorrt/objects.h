#pragma once

// Typed owners of TensorRT's objects, as thin as they can be: each method is NVIDIA's method of that name. What returns
// an object returns an empty owner where TensorRT returned null, which it says in its log; the callers make errors of
// that.

#include <utility>

#include "base/dtype.h"
#include "tensorrt/interfaces.h"

namespace t2i::tensorrt {

/// Whether TensorRT returned an object. Without a driver some versions return small numbers in place of null, which no
/// allocator gives out: the first page is never mapped.
inline bool is_object(const void* pointer) noexcept { return reinterpret_cast<std::uintptr_t>(pointer) >= 4096; }

/// Owns a public object and knows where its methods lie; moves, never copies. Whatever it was made from must outlive
/// it.
class Object {
 public:
  Object() = default;
  Object(void* object, const Slots& slots) noexcept : object_(is_object(object) ? object : nullptr), slots_(&slots) {}
  Object(Object&& other) noexcept : object_(std::exchange(other.object_, nullptr)), slots_(other.slots_) {}
  Object& operator=(Object&& other) noexcept {
    std::swap(object_, other.object_);
    std::swap(slots_, other.slots_);
    return *this;
  }
  ~Object() {
    if (object_ != nullptr) call<void>(object_, kDeleteSlot);
  }

  explicit operator bool() const noexcept { return object_ != nullptr; }
  /// What TensorRT's own methods and factories take.
  void* get() const noexcept { return object_; }

 protected:
  const Slots& slots() const noexcept { return *slots_; }
  template <typename Ret, typename... Args>
  Ret method(int slot, Args... args) const {
    return call<Ret>(implementation(object_), slot, args...);
  }

 private:
  void* object_ = nullptr;
  const Slots* slots_ = nullptr;
};

class HostMemory : public Object {
 public:
  using Object::Object;
  const void* data() const { return method<void*>(slots().get_host_memory_data); }
  std::size_t size() const { return method<std::size_t>(slots().get_host_memory_size); }
};

/// Must not outlive its engine. For one thread at a time.
class ExecutionContext : public Object {
 public:
  using Object::Object;
  /// False outside the profile.
  bool set_input_shape(const char* tensor, const Dims64& shape) {
    return method<bool>(slots().set_input_shape, tensor, &shape);
  }
  /// count is -1 for an unknown name.
  Dims64 get_tensor_shape(const char* tensor) const { return method<Dims64>(slots().get_context_tensor_shape, tensor); }
  bool set_tensor_address(const char* tensor, void* memory) {
    return method<bool>(slots().set_tensor_address, tensor, memory);
  }
  /// Bytes of the memory to work in, for the shapes of all inputs as they are; 0 also where one has none.
  std::size_t update_device_memory_size() { return method<std::size_t>(slots().update_device_memory_size); }
  /// What it works in from an enqueue until that is done; aligned to 256 bytes.
  void set_device_memory(void* memory) { method<void>(slots().set_device_memory, memory); }
  /// TensorRT-RTX only: whether the next enqueue may be captured.
  bool is_stream_capturable(void* stream) const { return method<bool>(slots().is_stream_capturable, stream); }
  /// @param stream a cudaStream_t
  bool enqueue_v3(void* stream) { return method<bool>(slots().enqueue_v3, stream); }
};

/// TensorRT-RTX only: the kernels that it compiled for the shapes of an engine, to be kept from process to process.
class RuntimeCache : public Object {
 public:
  using Object::Object;
  HostMemory serialize() const { return {method<void*>(slots().serialize_runtime_cache), slots()}; }
  /// False where it is of another version, GPU or driver; then the cache is as before.
  bool deserialize(const void* blob, std::size_t bytes) {
    return method<bool>(slots().deserialize_runtime_cache, blob, bytes);
  }
};

/// TensorRT-RTX only: what a context is made with.
class RuntimeConfig : public Object {
 public:
  using Object::Object;
  void set_allocation_strategy(AllocationStrategy strategy) { method<void>(slots().set_allocation_strategy, strategy); }
  void set_specialization(Specialization strategy) { method<void>(slots().set_specialization, strategy); }
  RuntimeCache create_runtime_cache() const { return {method<void*>(slots().create_runtime_cache), slots()}; }
  bool set_runtime_cache(const RuntimeCache& cache) {
    return method<bool>(slots().set_runtime_cache, static_cast<const void*>(cache.get()));
  }
};

/// Must not outlive its runtime.
class CudaEngine : public Object {
 public:
  using Object::Object;
  /// One that works in memory that is set.
  ExecutionContext create_execution_context() {
    return {method<void*>(slots().create_execution_context, AllocationStrategy::user_managed), slots()};
  }
  /// TensorRT-RTX only.
  RuntimeConfig create_runtime_config() { return {method<void*>(slots().create_runtime_config), slots()}; }
  ExecutionContext create_execution_context(const RuntimeConfig& config) {
    return {method<void*>(slots().create_context_with_config, config.get()), slots()};
  }
  int32_t get_nb_io_tensors() const { return method<int32_t>(slots().get_nb_io_tensors); }
  const char* get_io_tensor_name(int32_t index) const { return method<const char*>(slots().get_io_tensor_name, index); }
  /// -1 where a size is dynamic.
  Dims64 get_tensor_shape(const char* tensor) const { return method<Dims64>(slots().get_engine_tensor_shape, tensor); }
  DataType get_tensor_data_type(const char* tensor) const {
    return method<DataType>(slots().get_tensor_data_type, tensor);
  }
  /// Where the tensor must be bound to.
  TensorLocation get_tensor_location(const char* tensor) const {
    return method<TensorLocation>(slots().get_tensor_location, tensor);
  }
  TensorIOMode get_tensor_io_mode(const char* tensor) const {
    return method<TensorIOMode>(slots().get_tensor_io_mode, tensor);
  }
  Dims64 get_profile_shape(const char* tensor, int32_t profile, ProfileSelector selector) const {
    return method<Dims64>(slots().get_profile_shape, tensor, profile, selector);
  }
};

class Runtime : public Object {
 public:
  using Object::Object;
  /// @param serialized not needed afterwards
  CudaEngine deserialize_cuda_engine(const void* serialized, std::size_t bytes) {
    return {method<void*>(slots().deserialize_cuda_engine, serialized, bytes), slots()};
  }
};

}  // namespace t2i::tensorrt
