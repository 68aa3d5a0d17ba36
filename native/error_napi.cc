#include "error_napi.h"

#include <new>

namespace t2i {

Napi::Object to_js(Napi::Env env, const Error& error, const std::string& call_stack) {
  Napi::Object object = Napi::Error::New(env, error.what()).Value();
  object.Set("code", Napi::String::New(env, code_name(error.code())));
  if (!error.hint().empty()) object.Set("hint", Napi::String::New(env, error.hint()));
  if (!call_stack.empty()) {
    object.Set("stack", Napi::String::New(env, std::string("Error: ") + error.what() + "\n" + call_stack));
  }
  return object;
}

Error as_error(std::exception_ptr caught) noexcept {
  try {
    std::rethrow_exception(caught);
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::out_of_memory, "the host has no memory left for this");
  } catch (const std::exception& error) {
    return Error(ErrorCode::internal, error.what());
  } catch (...) {
    return Error(ErrorCode::internal, "the addon threw something that is no exception");
  }
}

std::string current_stack(Napi::Env env) {
  const Napi::Value stack = Napi::Error::New(env, "").Value().Get("stack");
  if (!stack.IsString()) return {};
  const std::string text = stack.As<Napi::String>();
  // The first line is the error's own name.
  const auto first = text.find('\n');
  return first == std::string::npos ? std::string() : text.substr(first + 1);
}

}  // namespace t2i
