#include "node/bytes.h"

#include <cstring>
#include <memory>

namespace t2i {

Napi::Uint8Array to_js(Napi::Env env, std::vector<uint8_t>&& bytes) {
  const std::size_t size = bytes.size();
  if (size == 0) return Napi::Uint8Array::New(env, 0);
  auto owned = std::make_unique<std::vector<uint8_t>>(std::move(bytes));
  const napi_finalize drop = [](napi_env, void*, void* hint) { delete static_cast<std::vector<uint8_t>*>(hint); };
  napi_value buffer = nullptr;
  // V8 counts these bytes as its own.
  if (napi_create_external_arraybuffer(env, owned->data(), size, drop, owned.get(), &buffer) == napi_ok) {
    owned.release();
    return Napi::Uint8Array::New(env, size, Napi::ArrayBuffer(env, buffer), 0);
  }
  // Runtimes with a memory cage, Electron for one, refuse it.
  return copy_to_js(env, *owned);
}

Napi::Uint8Array copy_to_js(Napi::Env env, const std::vector<uint8_t>& bytes) {
  Napi::Uint8Array copy = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(copy.Data(), bytes.data(), bytes.size());
  return copy;
}

}  // namespace t2i
