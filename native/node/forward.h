#pragma once

#include <napi.h>

namespace t2i {

/// `runEngine(options, inputs)` of src/backends/tensorrt/native.ts.
void export_forward(Napi::Env env, Napi::Object exports);

}  // namespace t2i
