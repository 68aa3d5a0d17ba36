#include "infer/runtime_config.h"

#include <sstream>

#include "infer/host_memory.h"

namespace t2i::fake {

namespace {

bool deserialize(void* self, const void* blob, std::size_t size) {
  std::istringstream lines(std::string(static_cast<const char*>(blob), size));
  std::string line;
  std::getline(lines, line);
  if (line + "\n" != RuntimeCache::kMagic) return false;
  while (std::getline(lines, line)) RuntimeCache::of(self).kernels->insert(line);
  return true;
}

void* serialize(void* self) {
  std::string bytes = RuntimeCache::kMagic;
  for (const std::string& kernel : *RuntimeCache::of(self).kernels) bytes += kernel + "\n";
  return (new HostMemory(bytes))->facade();
}

}  // namespace

const MethodTable& RuntimeCache::methods() {
  static const MethodTable table = kRtx ? MethodTable()
                                              .set(kSlots.serialize_runtime_cache, &serialize)
                                              .set(kSlots.deserialize_runtime_cache, &deserialize)
                                        : MethodTable();
  return table;
}

const MethodTable& RuntimeConfig::methods() {
  static const MethodTable table =
      kRtx ? MethodTable()
                 .set(
                     kSlots.set_allocation_strategy,
                     +[](void* self, tensorrt::AllocationStrategy strategy) {
                       of(self).user_managed = strategy == tensorrt::AllocationStrategy::user_managed;
                     })
                 .set(
                     kSlots.set_specialization,
                     +[](void* self, tensorrt::Specialization strategy) {
                       of(self).eager = strategy == tensorrt::Specialization::eager;
                     })
                 .set(
                     kSlots.create_runtime_cache, +[](void*) { return (new RuntimeCache)->facade(); })
                 .set(
                     kSlots.set_runtime_cache,
                     +[](void* self, const void* cache) {
                       of(self).kernels = RuntimeCache::of_facade(cache).kernels;
                       return true;
                     })
           : MethodTable();
  return table;
}

}  // namespace t2i::fake
