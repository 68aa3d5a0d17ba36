#pragma once

// As objects.h, for building an engine from an ONNX file.

#include "tensorrt/objects.h"

namespace t2i::tensorrt {

/// An ITensor; it belongs to its network.
class TensorRef {
 public:
  TensorRef(void* tensor, const Slots& slots) noexcept : tensor_(tensor), slots_(&slots) {}
  const char* get_name() const { return call<const char*>(implementation(tensor_), slots_->get_tensor_name); }
  Dims64 get_dimensions() const { return call<Dims64>(implementation(tensor_), slots_->get_tensor_dimensions); }

 private:
  void* tensor_;
  const Slots* slots_;
};

/// Must not outlive its builder.
class NetworkDefinition : public Object {
 public:
  using Object::Object;
  int32_t get_nb_inputs() const { return method<int32_t>(slots().get_nb_inputs); }
  TensorRef get_input(int32_t index) const { return {method<void*>(slots().get_input, index), slots()}; }
  int32_t get_nb_outputs() const { return method<int32_t>(slots().get_nb_outputs); }
};

/// An IOptimizationProfile; it belongs to its builder.
class OptimizationProfile {
 public:
  OptimizationProfile(void* profile, const Slots& slots) noexcept
      : profile_(is_object(profile) ? profile : nullptr), slots_(&slots) {}
  explicit operator bool() const noexcept { return profile_ != nullptr; }
  void* get() const noexcept { return profile_; }
  bool set_dimensions(const char* input, ProfileSelector selector, const Dims64& dims) {
    return call<bool>(implementation(profile_), slots_->set_profile_dimensions, input, selector, &dims);
  }

 private:
  void* profile_;
  const Slots* slots_;
};

class TimingCache : public Object {
 public:
  using Object::Object;
  HostMemory serialize() const { return {method<void*>(slots().serialize_timing_cache), slots()}; }
};

/// Must not outlive its builder.
class BuilderConfig : public Object {
 public:
  using Object::Object;
  void set_memory_pool_limit(MemoryPool pool, std::size_t bytes) {
    method<void>(slots().set_memory_pool_limit, pool, bytes);
  }
  void set_flag(BuilderFlag flag) { method<void>(slots().set_flag, flag); }
  /// Index of the profile; negative where it is refused.
  int32_t add_optimization_profile(const OptimizationProfile& profile) {
    return method<int32_t>(slots().add_optimization_profile, static_cast<const void*>(profile.get()));
  }
  /// 0 keeps all of a forward on one stream. TensorRT 11 says whether it agrees; in 10 the method is void, and what it
  /// leaves in the register of a result means nothing.
  void set_max_aux_streams(int32_t count) { method<void>(slots().set_max_aux_streams, count); }
  /// The monitor must outlive the build.
  void set_progress_monitor(ProgressMonitorInterface* monitor) { method<void>(slots().set_progress_monitor, monitor); }

  /// @param blob of an earlier build; null and 0 for an empty cache
  TimingCache create_timing_cache(const void* blob, std::size_t bytes) const {
    return {method<void*>(slots().create_timing_cache, blob, bytes), slots()};
  }
  /// The cache must outlive the build. False where it was recorded on another device or version.
  bool set_timing_cache(const TimingCache& cache) {
    return method<bool>(slots().set_timing_cache, static_cast<const void*>(cache.get()), false);
  }
  /// The cache in use after a build, serialised; empty where there is none. The cache belongs to the configuration.
  HostMemory serialize_timing_cache() const {
    void* cache = method<void*>(slots().get_timing_cache);
    if (!is_object(cache)) return {};
    return {call<void*>(implementation(cache), slots().serialize_timing_cache), slots()};
  }

  /// TensorRT-RTX only: how many compute capabilities the engine is for, then each, 89 for 8.9.
  bool set_nb_compute_capabilities(int32_t count) { return method<bool>(slots().set_nb_compute_capabilities, count); }
  bool set_compute_capability(int32_t capability, int32_t index) {
    return method<bool>(slots().set_compute_capability, capability, index);
  }
};

class Builder : public Object {
 public:
  using Object::Object;
  /// Strongly typed: tensors have the types of the ONNX graph.
  NetworkDefinition create_network() {
    return {method<void*>(slots().create_network_v2, slots().strongly_typed), slots()};
  }
  BuilderConfig create_builder_config() { return {method<void*>(slots().create_builder_config), slots()}; }
  OptimizationProfile create_optimization_profile() {
    return {method<void*>(slots().create_optimization_profile), slots()};
  }
  /// The serialized engine.
  HostMemory build_serialized_network(const NetworkDefinition& network, const BuilderConfig& config) {
    return {method<void*>(slots().build_serialized_network, network.get(), config.get()), slots()};
  }
};

/// An IParserError; it belongs to its parser.
class ParserError {
 public:
  ParserError(void* error, const Slots& slots) noexcept : error_(error), slots_(&slots) {}
  ParserErrorCode code() const { return call<ParserErrorCode>(error_, slots_->get_error_code); }
  const char* desc() const { return call<const char*>(error_, slots_->get_error_desc); }
  /// Index of the node in the graph; -1 where it is about none.
  int32_t node() const { return call<int32_t>(error_, slots_->get_error_node); }
  const char* node_name() const { return call<const char*>(error_, slots_->get_error_node_name); }
  const char* node_operator() const { return call<const char*>(error_, slots_->get_error_node_operator); }

 private:
  void* error_;
  const Slots* slots_;
};

/// nvonnxparser::IParser. Must not outlive its network, and holds weights that it uses: destroy it after the build.
class Parser {
 public:
  Parser(void* parser, const Slots& slots) noexcept : parser_(is_object(parser) ? parser : nullptr), slots_(&slots) {}
  Parser(Parser&& other) noexcept : parser_(std::exchange(other.parser_, nullptr)), slots_(other.slots_) {}
  Parser& operator=(Parser&&) = delete;
  ~Parser() {
    if (parser_ != nullptr) call<void>(parser_, slots_->clear_errors + kParserDeleteOffset);
  }
  explicit operator bool() const noexcept { return parser_ != nullptr; }

  /// External data is read relative to the file.
  bool parse_from_file(const char* path) {
    return call<bool>(parser_, slots_->parse_from_file, path, static_cast<int32_t>(Severity::warning));
  }
  int32_t get_nb_errors() const { return call<int32_t>(parser_, slots_->get_nb_errors); }
  ParserError get_error(int32_t index) const { return {call<void*>(parser_, slots_->get_error, index), *slots_}; }

 private:
  void* parser_;
  const Slots* slots_;
};

}  // namespace t2i::tensorrt
