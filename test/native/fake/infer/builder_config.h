#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/abi.h"
#include "common/object.h"
#include "common/toy_engine.h"

namespace t2i::fake {

/// IOptimizationProfile; it belongs to its builder.
class Profile : public Object<Profile> {
 public:
  static const MethodTable& methods();
  std::map<std::string, Range> ranges;
};

/// ITimingCache: one line for each ONNX file that was built.
class TimingCache : public Object<TimingCache> {
 public:
  static constexpr const char* kMagic = "T2I-TOY-TIMINGS\n";
  explicit TimingCache(std::string bytes) : bytes(std::move(bytes)) {}
  static const MethodTable& methods();
  std::string bytes;
};

/// IBuilderConfig.
class BuilderConfig : public Object<BuilderConfig> {
 public:
  explicit BuilderConfig(Log log) : log(log) {}
  static const MethodTable& methods();

  Log log;
  const Profile* profile = nullptr;
  /// The caller's; it must live until the build has ended.
  TimingCache* timing_cache = nullptr;
  std::optional<int32_t> max_aux_streams;
  void* monitor = nullptr;
  /// TensorRT-RTX alone has these two.
  std::vector<int64_t> capabilities;
  bool user_allocation = false;
};

}  // namespace t2i::fake
