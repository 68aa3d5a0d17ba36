#include <napi.h>

#include "node/build.h"
#include "node/environment.h"
#include "node/forward.h"
#include "node/probe.h"
#include "node/session.h"
#include "node/sim.h"
#include "node/step.h"

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
