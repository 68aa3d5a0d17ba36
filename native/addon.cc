#include <napi.h>

#include "probe_napi.h"
#include "sim_napi.h"
#include "step_napi.h"

namespace {

/// The only module initialiser; src/backends/tensorrt/native.ts describes what it exports.
Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::String::New(env, T2I_VERSION));
  t2i::export_probe(env, exports);
  t2i::export_step(env, exports);
  t2i::export_sim(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(t2i, init)
