#include "engine/builder.h"

#include <algorithm>

#include "base/error.h"
#include "cuda/device.h"
#include "tensorrt/build_objects.h"
#include "tensorrt/dims64.h"
#include "tensorrt/failure.h"
#include "tensorrt/library.h"
#include "tensorrt/logger.h"
#include "tensorrt/progress_monitor.h"

namespace t2i {

namespace {

using cuda::DeviceInfo;
using tensorrt::failure;
using tensorrt::ProfileSelector;

/// A graph that is wrong in many places is wrong in one way; more errors than these only make the message long.
constexpr int32_t kMaxParserErrors = 16;

std::string text_of(const tensorrt::ParserError& error) {
  if (error.node() < 0) return error.desc();
  return std::string("operator ") + error.node_operator() + " of node " + std::to_string(error.node()) + ", " +
         error.node_name() + ": " + error.desc();
}

/// @throws Error ENGINE_BUILD_FAILED with all that the parser says
void parse(tensorrt::Parser& parser, const tensorrt::Log& log, const std::string& path) {
  if (parser.parse_from_file(path.c_str())) return;
  const int32_t count = parser.get_nb_errors();
  std::string text;
  bool out_of_memory = false;
  for (int32_t i = 0; i < std::min(count, kMaxParserErrors); i++) {
    const tensorrt::ParserError error = parser.get_error(i);
    text += (text.empty() ? "" : "; ") + text_of(error);
    out_of_memory |= error.code() == tensorrt::ParserErrorCode::out_of_memory;
  }
  if (count > kMaxParserErrors) text += "; and " + std::to_string(count - kMaxParserErrors) + " more";
  throw Error(
      out_of_memory ? ErrorCode::out_of_memory : ErrorCode::engine_build_failed,
      "TensorRT's parser cannot read " + path + ": " + (text.empty() ? log.words("it does not say why") : text));
}

std::vector<GraphInput> inputs_of(const tensorrt::NetworkDefinition& network) {
  std::vector<GraphInput> inputs;
  for (int32_t i = 0; i < network.get_nb_inputs(); i++) {
    const tensorrt::TensorRef tensor = network.get_input(i);
    inputs.push_back({tensor.get_name(), tensorrt::from_dims64(tensor.get_dimensions())});
  }
  return inputs;
}

class Build {
 public:
  /// Every reference must outlive the build.
  Build(const tensorrt::Library& library, const BuildOptions& options, tensorrt::ProgressMonitor& monitor)
      : library_(library),
        options_(options),
        listening_(library.logger(), log_),
        builder_(library.create_builder(log_), library.slots()),
        network_(made(builder_.create_network(), "network")),
        parser_(library.create_parser(network_.get(), log_), library.slots()),
        config_(made(builder_.create_builder_config(), "builder configuration")) {
    config_.set_progress_monitor(&monitor);
  }

  void prepare() {
    parse(parser_, log_, options_.onnx_path);
    // Bytes that are no ONNX can pass for a message without a graph.
    if (network_.get_nb_outputs() == 0) throw refused(options_.onnx_path + " holds no network");
    require_profiles(inputs_of(network_), options_.profiles);
    add_profiles();
    // A second stream would put its work beside the captured one.
    config_.set_max_aux_streams(0);
    if (options_.workspace_bytes > 0)
      config_.set_memory_pool_limit(tensorrt::MemoryPool::workspace, options_.workspace_bytes);
    set_target();
    set_timing_cache();
  }

  /// Empty where it failed or was cancelled.
  tensorrt::HostMemory run() { return builder_.build_serialized_network(network_, config_); }

  Error refused(const std::string& what) { return failure(log_, ErrorCode::engine_build_failed, what); }

  BuildResult result(const tensorrt::HostMemory& serialized) const {
    BuildResult result{copy(serialized), {}, log_.errors()};
    if (has_timing_cache()) {
      const tensorrt::HostMemory timings = config_.serialize_timing_cache();
      if (timings) result.timing_cache = copy(timings);
    }
    for (std::string& line : log_.warnings()) result.log.push_back(std::move(line));
    return result;
  }

 private:
  static std::vector<uint8_t> copy(const tensorrt::HostMemory& memory) {
    const auto* bytes = static_cast<const uint8_t*>(memory.data());
    return {bytes, bytes + memory.size()};
  }

  template <typename Made>
  Made made(Made object, const char* what) {
    if (!object) throw refused(std::string("TensorRT made no ") + what);
    return object;
  }

  void add_profiles() {
    if (options_.profiles.empty()) return;
    tensorrt::OptimizationProfile profile = made(builder_.create_optimization_profile(), "optimization profile");
    for (const InputProfile& input : options_.profiles) {
      const char* name = input.input.c_str();
      if (!profile.set_dimensions(name, ProfileSelector::min, tensorrt::to_dims64(input.min)) ||
          !profile.set_dimensions(name, ProfileSelector::opt, tensorrt::to_dims64(input.opt)) ||
          !profile.set_dimensions(name, ProfileSelector::max, tensorrt::to_dims64(input.max))) {
        throw refused("TensorRT refused the profile of " + input.input);
      }
    }
    if (config_.add_optimization_profile(profile) < 0) throw refused("TensorRT refused the profiles");
  }

  void set_target() {
    if (library_.info().kind == tensorrt::Kind::rtx) {
      config_.set_flag(tensorrt::BuilderFlag::require_user_allocation);
      set_capabilities();
    } else if (!options_.compute_capabilities.empty()) {
      throw Error(ErrorCode::engine_build_failed,
                  "expected TensorRT-RTX to build for other devices, received " + library_.info().path,
                  "Build without compute capabilities on the machine with the GPU, or use TensorRT-RTX.");
    }
  }

  /// Always said: TensorRT-RTX would else take a choice of its own, whatever device is there.
  void set_capabilities() {
    const bool ahead = !options_.compute_capabilities.empty();
    const DeviceInfo device = ahead ? DeviceInfo{} : device_at_hand();
    const auto capabilities =
        ahead ? options_.compute_capabilities : std::vector<int32_t>{device.compute_major * 10 + device.compute_minor};
    bool accepted = config_.set_nb_compute_capabilities(static_cast<int32_t>(capabilities.size()));
    std::string given;
    for (std::size_t i = 0; i < capabilities.size(); i++) {
      accepted = accepted && config_.set_compute_capability(capabilities[i], static_cast<int32_t>(i));
      given += (i == 0 ? "" : ", ") + std::to_string(capabilities[i]);
    }
    if (accepted) return;
    throw refused("TensorRT-RTX refused the compute capabilities " + given + (ahead ? "" : ", of " + device.name));
  }

  DeviceInfo device_at_hand() const {
    const cuda::DeviceProbe probe = cuda::probe();
    for (const DeviceInfo& device : probe.devices) {
      if (device.index == options_.device) return device;
    }
    const std::string reason = probe.available ? "there is no GPU " + std::to_string(options_.device) : probe.reason;
    throw Error(ErrorCode::backend_unavailable, "there is no GPU to build for: " + reason,
                "Name the compute capabilities to build for, for example 89.");
  }

  /// Not with TensorRT-RTX, where they are deprecated and have no effect.
  bool has_timing_cache() const { return library_.info().kind != tensorrt::Kind::rtx; }

  void set_timing_cache() {
    if (!has_timing_cache()) return;
    const auto& recorded = options_.timing_cache;
    timing_cache_ = config_.create_timing_cache(recorded.data(), recorded.size());
    // A cache of another version or device is no reason to fail: the build only takes longer.
    if (!timing_cache_ && !recorded.empty()) timing_cache_ = config_.create_timing_cache(nullptr, 0);
    if (timing_cache_) config_.set_timing_cache(timing_cache_);
  }

  const tensorrt::Library& library_;
  const BuildOptions& options_;
  tensorrt::Log log_;
  // As long as there is anything that could speak; a build keeps to one thread.
  tensorrt::Listening listening_;
  // Destroyed from the last to the first: the parser holds weights of the network, the builder made the others.
  tensorrt::Builder builder_;
  tensorrt::NetworkDefinition network_;
  tensorrt::Parser parser_;
  tensorrt::BuilderConfig config_;
  tensorrt::TimingCache timing_cache_;
};

void check(const std::atomic<bool>& cancelled) {
  if (cancelled) throw Error(ErrorCode::aborted, "the build was cancelled");
}

}  // namespace

BuildResult build_engine(std::shared_ptr<tensorrt::Library> library, const BuildOptions& options,
                         const std::atomic<bool>& cancelled, std::function<void(const BuildProgress&)> on_progress) {
  tensorrt::ProgressMonitor monitor(cancelled,
                                    [&](const std::string& phase, int32_t step, int32_t steps, double fraction) {
                                      if (on_progress) on_progress({phase, step, steps, fraction});
                                    });
  check(cancelled);
  Build build(*library, options, monitor);
  build.prepare();
  check(cancelled);
  const tensorrt::HostMemory serialized = build.run();
  check(cancelled);
  if (!serialized) throw build.refused("TensorRT could not build an engine from " + options.onnx_path);
  return build.result(serialized);
}

}  // namespace t2i
