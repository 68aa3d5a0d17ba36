#pragma once

#include <memory>
#include <set>
#include <string>

#include "common/abi.h"
#include "common/object.h"

namespace t2i::fake {

/// Kernels that were compiled, each for the shapes of a forward.
using Kernels = std::set<std::string>;

/// IRuntimeCache of TensorRT-RTX: one line for each kernel.
class RuntimeCache : public Object<RuntimeCache> {
 public:
  static constexpr const char* kMagic = "T2I-TOY-KERNELS\n";
  static const MethodTable& methods();
  std::shared_ptr<Kernels> kernels = std::make_shared<Kernels>();
};

/// IRuntimeConfig of TensorRT-RTX.
class RuntimeConfig : public Object<RuntimeConfig> {
 public:
  static const MethodTable& methods();
  bool user_managed = false;
  /// Else kernels that are made for no shape run until those that are have been compiled in the background.
  bool eager = false;
  std::shared_ptr<Kernels> kernels = std::make_shared<Kernels>();
};

}  // namespace t2i::fake
