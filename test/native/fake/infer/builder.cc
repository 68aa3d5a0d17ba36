#include "infer/builder.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "common/toy_engine.h"
#include "infer/progress.h"
#include "infer/sim_capability.h"

namespace t2i::fake {

namespace {

/// What TensorRT-RTX builds for where nobody says: not for Turing, and for no device that is here.
const std::vector<int64_t> kOwnChoice{80, 86, 89, 120};

/// Of the compute capabilities to build for, one that has no bfloat16; 0 where all have.
int64_t without_bfloat16(const std::vector<int64_t>& capabilities) {
  const auto found = std::find_if(capabilities.begin(), capabilities.end(), [](int64_t one) { return one < 80; });
  return found == capabilities.end() ? 0 : *found;
}

constexpr const char* kBuild = "IBuilder::buildSerializedNetwork: Error Code ";

void* create_network(void*, uint32_t flags) { return (new Network((flags & kSlots.strongly_typed) != 0))->facade(); }

void* build_serialized_network(void* self, void* network, void* config) {
  HostMemory* toy = Builder::of(self).build(Network::of_facade(network), BuilderConfig::of_facade(config));
  return toy == nullptr ? nullptr : toy->facade();
}

}  // namespace

const MethodTable& Builder::methods() {
  static const MethodTable table =
      MethodTable()
          .set(
              kSlots.create_builder_config, +[](void* self) { return (new BuilderConfig(of(self).log))->facade(); })
          .set(kSlots.create_network_v2, &create_network)
          .set(
              kSlots.create_optimization_profile, +[](void* self) { return of(self).add_profile()->facade(); })
          .set(kSlots.build_serialized_network, &build_serialized_network);
  return table;
}

Profile* Builder::add_profile() {
  profiles_.push_back(std::make_unique<Profile>());
  return profiles_.back().get();
}

bool Builder::accepts(const Network& network, const BuilderConfig& config) const {
  if (!network.strongly_typed) {
    log.error(std::string(kBuild) + "3: API Usage Error (the network is not strongly typed)");
    return false;
  }
  if (config.max_aux_streams != 0) {
    log.error(std::string(kBuild) +
              "3: API Usage Error (the stand-in runs on one stream, so the auxiliary streams must be 0)");
    return false;
  }
  if (kRtx && !config.user_allocation) {
    log.error(std::string(kBuild) + "3: API Usage Error (a capture forbids an engine that allocates while it runs)");
    return false;
  }
  const int64_t lacking = without_bfloat16(targets(config));
  if (network.graph.bfloat16 && lacking > 0) {
    // The words of TensorRT-RTX 1.7.1; TensorRT's for a device at hand are not known.
    log.error(std::string(kBuild) + "1: Myelin ([pass.cpp:1500: run_passes] Cannot compile for target(s) sm" +
              std::to_string(lacking) + ", because the model contains HW-specific datatypes: b16.)");
    return false;
  }
  for (const Tensor& input : network.graph.inputs) {
    if (!input.is_dynamic() || (config.profile != nullptr && config.profile->ranges.count(input.name) > 0)) continue;
    log.error(
        std::string(kBuild) +
        "4: API Usage Error (Network has dynamic or shape inputs, but no optimization profile has been defined for " +
        input.name + ".)");
    return false;
  }
  return true;
}

std::vector<int64_t> Builder::targets(const BuilderConfig& config) {
  if (!kRtx) return {device_capability()};
  return config.capabilities.empty() ? kOwnChoice : config.capabilities;
}

HostMemory* Builder::build(const Network& network, BuilderConfig& config) const {
  if (!accepts(network, config)) return nullptr;
  const bool slow = failures_.has("slow-build");
  const Progress progress(config.monitor);
  const bool done = progress.phase("Building Engine", nullptr, 4, [&](int32_t) {
    return progress.phase("Tactic Selection", "Building Engine", slow ? 18'000 : 3, [&](int32_t) {
      if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      return true;
    });
  });
  if (!done) {
    log.error(std::string(kBuild) + "10: Internal Error (the build was cancelled)");
    return nullptr;
  }
  if (failures_.has("crash-build")) std::abort();
  if (failures_.has("build-memory")) {
    log.error(std::string(kBuild) + "2: OutOfMemory (no further information)");
    return nullptr;
  }
  if (failures_.has("build-fails") || (failures_.has("bf16-build-fails") && network.graph.bfloat16)) {
    log.error(std::string(kBuild) + "10: Internal Error (Could not find any implementation for node /toy/node.)");
    return nullptr;
  }
  ToyEngine toy = toy_engine_for(network.graph, failures_.number("version", kVersion));
  if (config.profile != nullptr) toy.profile = config.profile->ranges;
  if (kRtx) toy.capabilities = targets(config);
  if (config.timing_cache != nullptr) config.timing_cache->bytes += std::to_string(network.graph.hash) + "\n";
  return new HostMemory(serialize(toy));
}

}  // namespace t2i::fake
