#pragma once

#include <napi.h>

namespace t2i {

/// `buildEngine(options, signal, onProgress)` of src/backends/tensorrt/native.ts.
void export_build(Napi::Env env, Napi::Object exports);

}  // namespace t2i
