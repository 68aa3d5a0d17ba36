#pragma once

#include <napi.h>

#include <cstdint>
#include <vector>

#include "node/argument.h"

namespace t2i {

/// A Uint8Array of these bytes, without a copy where the runtime allows memory of others.
Napi::Uint8Array to_js(Napi::Env env, std::vector<uint8_t>&& bytes);
/// A Uint8Array of a copy in V8's own memory.
Napi::Uint8Array copy_to_js(Napi::Env env, const std::vector<uint8_t>& bytes);

/// A Uint8Array that native code reads in place, on any thread; JavaScript must neither change nor transfer it
/// meanwhile. Made and destroyed on the JavaScript thread. Its memory must be V8's own: that outlives the threads which
/// the end of an environment waits for, while memory of others is freed before.
class HeldBytes {
 public:
  explicit HeldBytes(const Argument& array) : view_(array.bytes()), array_(Napi::Persistent(array.object())) {}
  const uint8_t* data() const { return view_.data; }
  std::size_t size() const { return view_.size; }

 private:
  View<uint8_t> view_;
  Napi::ObjectReference array_;
};

}  // namespace t2i
