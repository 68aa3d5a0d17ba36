#pragma once

#include <memory>
#include <vector>

#include "common/failures.h"
#include "common/network.h"
#include "infer/builder_config.h"
#include "infer/host_memory.h"

namespace t2i::fake {

/// IBuilder.
class Builder : public Object<Builder> {
 public:
  explicit Builder(void* logger) : log(logger) {}
  static const MethodTable& methods();

  Profile* add_profile();
  /// The engine, or null with a line in the log.
  HostMemory* build(const Network& network, BuilderConfig& config) const;

  Log log;

 private:
  /// Compute capabilities that it builds for.
  static std::vector<int64_t> targets(const BuilderConfig& config);
  /// False with a line in the log where the configuration, or a device to build for, does not fit the network.
  bool accepts(const Network& network, const BuilderConfig& config) const;

  Failures failures_;
  std::vector<std::unique_ptr<Profile>> profiles_;
};

}  // namespace t2i::fake
