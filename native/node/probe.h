#pragma once

#include <napi.h>

namespace t2i {

/// `devices()` and `libraries(search)` of src/backends/tensorrt/native.ts.
void export_probe(Napi::Env env, Napi::Object exports);

}  // namespace t2i
