#include <napi.h>

#include "build_napi.h"
#include "environment_napi.h"
#include "forward_napi.h"
#include "probe_napi.h"
#include "session.h"
#include "sim_napi.h"
#include "step_napi.h"

namespace {

/// The only module initialiser; src/backends/tensorrt/native.ts describes what it exports.
Napi::Object init(Napi::Env env, Napi::Object exports) {
  t2i::Environment::create(env);
  exports.Set("version", Napi::String::New(env, T2I_VERSION));
  t2i::export_probe(env, exports);
  t2i::Session::export_class(env, exports);
  t2i::export_build(env, exports);
  t2i::export_forward(env, exports);
  t2i::export_step(env, exports);
  t2i::export_sim(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(t2i, init)
