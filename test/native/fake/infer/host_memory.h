#pragma once

#include <string>

#include "common/abi.h"
#include "common/object.h"

namespace t2i::fake {

/// IHostMemory.
class HostMemory : public Object<HostMemory> {
 public:
  explicit HostMemory(std::string bytes) : bytes(std::move(bytes)) {}
  static const MethodTable& methods() {
    static const MethodTable table =
        MethodTable()
            .set(
                kSlots.get_host_memory_data, +[](void* self) -> void* { return of(self).bytes.data(); })
            .set(kSlots.get_host_memory_size, +[](void* self) { return of(self).bytes.size(); });
    return table;
  }
  std::string bytes;
};

}  // namespace t2i::fake
