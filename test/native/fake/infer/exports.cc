#include <dlfcn.h>

#include <string>

#include "infer/builder.h"
#include "infer/engine.h"

// The C functions of libnvinfer.

using t2i::fake::Failures;

T2I_EXPORT int getInferLibVersion() noexcept { return Failures().number("version", t2i::fake::kVersion); }

T2I_EXPORT void* createInferRuntime_INTERNAL(void* logger, int) noexcept {
  const Failures failures;
  if (failures.has("garbage-pointer")) return reinterpret_cast<void*>(0x238);
  if (failures.has("null-runtime")) {
    t2i::fake::Log(t2i::fake::global_logger(logger))
        .error("createInferRuntime: Error Code 6: API Usage Error (CUDA initialization failure with error: 35)");
    return nullptr;
  }
  return (new t2i::fake::Runtime(t2i::fake::global_logger(logger)))->facade();
}

T2I_EXPORT void* createInferBuilder_INTERNAL(void* logger, int) noexcept {
  const std::string resource = "libnvinfer_builder_resource.so." T2I_FAKE_VERSION;
  if (Failures().has("resource-by-name") && dlopen(resource.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    t2i::fake::Log(t2i::fake::global_logger(logger))
        .error("createInferBuilder: Error Code 6: API Usage Error (Unable to load library: " + resource + ")");
    return nullptr;
  }
  return (new t2i::fake::Builder(t2i::fake::global_logger(logger)))->facade();
}

T2I_EXPORT void* getLogger() noexcept { return t2i::fake::global_logger(nullptr); }

/// See infer/engine.h.
T2I_EXPORT int fake_fallbacks() noexcept { return t2i::fake::fallbacks; }
T2I_EXPORT int fake_activation_blocks() noexcept { return t2i::fake::Context::blocks(); }
T2I_EXPORT int fake_compilations() noexcept { return t2i::fake::compilations; }

T2I_EXPORT int fake_deserialisations() noexcept { return t2i::fake::deserialisations; }
T2I_EXPORT int fake_engine_bytes() noexcept { return t2i::fake::engine_bytes; }

/// Objects that were made and not destroyed.
T2I_EXPORT int fake_live_objects() noexcept { return t2i::fake::live_objects; }

/// Rules that a caller broke and nothing checks: a graph that ran after its context, or after a change of it; an engine that ended before a context.
T2I_EXPORT int fake_warnings() noexcept { return t2i::fake::warnings; }
