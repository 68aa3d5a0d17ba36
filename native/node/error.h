#pragma once

#include <napi.h>

#include <exception>

#include "base/error.h"

namespace t2i {

/// An Error of JavaScript with `code` and, where there is one, `hint`.
Napi::Object to_js(Napi::Env env, const Error& error);

/// The same with the stack of `call`, an error that was made, without a message, when JavaScript called: what fails on
/// another thread has no stack of its own.
Napi::Object to_js(Napi::Env env, const Error& error, Napi::Object call);

/// What was caught, as an Error: ours as it is, a failed allocation as OUT_OF_MEMORY, all else as INTERNAL.
Error as_error(std::exception_ptr caught) noexcept;

/// Runs `body`, called by JavaScript; everything it throws becomes an exception of JavaScript.
template <typename Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw Napi::Error(env, to_js(env, as_error(std::current_exception())));
  }
}

}  // namespace t2i
