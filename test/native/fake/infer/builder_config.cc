#include "infer/builder_config.h"

#include <algorithm>
#include <array>

#include "infer/host_memory.h"

namespace t2i::fake {

const MethodTable& Profile::methods() {
  static const MethodTable table = MethodTable().set(
      kSlots.set_profile_dimensions,
      +[](void* self, const char* input, tensorrt::ProfileSelector selector, const tensorrt::Dims64* dims) {
        Range& range = of(self).ranges[input];
        std::vector<int64_t>* const parts[] = {&range.min, &range.opt, &range.max};
        *parts[static_cast<int>(selector)] = from_dims(*dims);
        return true;
      });
  return table;
}

const MethodTable& TimingCache::methods() {
  static const MethodTable table = MethodTable().set(
      kSlots.serialize_timing_cache, +[](void* self) { return (new HostMemory(of(self).bytes))->facade(); });
  return table;
}

namespace {

void* create_timing_cache(void* self, const void* blob, std::size_t bytes) {
  const std::string start = bytes == 0 ? TimingCache::kMagic : std::string(static_cast<const char*>(blob), bytes);
  if (start.rfind(TimingCache::kMagic, 0) != 0) {
    BuilderConfig::of(self).log.error(
        "IBuilderConfig::createTimingCache: Error Code 3: API Usage Error (the blob is no timing cache)");
    return nullptr;
  }
  return (new TimingCache(start))->facade();
}

bool set_timing_cache(void* self, const void* cache, bool) {
  BuilderConfig::of(self).timing_cache = &TimingCache::of_facade(cache);
  return true;
}

void* get_timing_cache(void* self) {
  TimingCache* cache = BuilderConfig::of(self).timing_cache;
  return cache == nullptr ? nullptr : cache->facade();
}

/// nvinfer1::ComputeCapability has no others.
constexpr std::array<int32_t, 6> kRtxCapabilities{75, 80, 86, 89, 120, 121};

bool set_compute_capability(void* self, int32_t capability, int32_t index) {
  const bool known = std::find(kRtxCapabilities.begin(), kRtxCapabilities.end(), capability) != kRtxCapabilities.end();
  if (known) {
    BuilderConfig::of(self).capabilities.at(static_cast<std::size_t>(index)) = capability;
  } else {
    BuilderConfig::of(self).log.error(
        "IBuilderConfig::setComputeCapability: Error Code 3: API Usage Error (unsupported compute capability " +
        std::to_string(capability) + ")");
  }
  return known;
}

int32_t add_optimization_profile(void* self, const void* profile) {
  const Profile& given = Profile::of_facade(profile);
  for (const auto& [input, range] : given.ranges) {
    for (std::size_t axis = 0; axis < range.opt.size(); axis++) {
      if (range.min.at(axis) <= range.opt[axis] && range.opt[axis] <= range.max.at(axis)) continue;
      BuilderConfig::of(self).log.error(
          "IBuilderConfig::addOptimizationProfile: Error Code 3: API Usage Error (the profile of " + input +
          " does not satisfy min <= opt <= max)");
      return -1;
    }
  }
  BuilderConfig::of(self).profile = &given;
  return 0;
}

MethodTable timing_methods() {
  return MethodTable()
      .set(kSlots.create_timing_cache, &create_timing_cache)
      .set(kSlots.set_timing_cache, &set_timing_cache)
      .set(kSlots.get_timing_cache, &get_timing_cache);
}

/// Timing caches are deprecated in TensorRT-RTX and have no effect: who calls them ends the process.
MethodTable rtx_methods() {
  return MethodTable()
      .set(
          kSlots.set_flag,
          +[](void* self, tensorrt::BuilderFlag flag) {
            BuilderConfig::of(self).user_allocation |= flag == tensorrt::BuilderFlag::require_user_allocation;
          })
      .set(
          kSlots.set_nb_compute_capabilities,
          +[](void* self, int32_t count) {
            BuilderConfig::of(self).capabilities.resize(static_cast<std::size_t>(count));
            return true;
          })
      .set(kSlots.set_compute_capability, &set_compute_capability);
}

}  // namespace

const MethodTable& BuilderConfig::methods() {
  static const MethodTable table =
      (kRtx ? rtx_methods() : timing_methods())
          .set(kSlots.add_optimization_profile, &add_optimization_profile)
          .set(
              kSlots.set_memory_pool_limit, +[](void*, tensorrt::MemoryPool, std::size_t) {})
          .set(
              kSlots.set_max_aux_streams,
              +[](void* self, int32_t count) {
                of(self).max_aux_streams = count;
                // Void in TensorRT 10: the register may hold anything, on an H200 it held this.
                return false;
              })
          .set(kSlots.set_progress_monitor, +[](void* self, void* monitor) { of(self).monitor = monitor; });
  return table;
}

}  // namespace t2i::fake
