#pragma once

#include <napi.h>

#include <exception>
#include <string>

#include "error.h"

namespace t2i {

/// An Error of JavaScript with `code` and, where there is one, `hint`.
///
/// @param call_stack frames of the call that it answers, as current_stack gives them; empty for those of this moment
Napi::Object to_js(Napi::Env env, const Error& error, const std::string& call_stack = {});

/// What was caught, as an Error: ours as it is, a failed allocation as OUT_OF_MEMORY, all else as INTERNAL.
Error as_error(std::exception_ptr caught) noexcept;

/// The JavaScript frames that led here. Errors of another thread have none of their own.
std::string current_stack(Napi::Env env);

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
