#pragma once

#include <napi.h>

namespace t2i {

/// `stepHost(step)` and `stepDevice(step, device)` of src/backends/tensorrt/native.ts.
void export_step(Napi::Env env, Napi::Object exports);

}  // namespace t2i
