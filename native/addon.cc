#include <napi.h>

#include "cuda/device.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::String::New(env, T2I_VERSION));
  return exports;
}

}  // namespace

NODE_API_MODULE(t2i, init)
