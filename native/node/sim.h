#pragma once

#include <napi.h>

namespace t2i {

/// `sim` of the tests' build: `failCall(n, kind)`, `calls()` and `live()` of cuda/sim.h, `externalMemory()` as V8
/// counts it, and `overrun()`, a deliberate mistake; nothing in other builds.
void export_sim(Napi::Env env, Napi::Object exports);

}  // namespace t2i
