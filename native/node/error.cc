#include "node/error.h"

#include <new>
#include <string>

namespace t2i {

Napi::Object to_js(Napi::Env env, const Error& error) {
  Napi::Object object = Napi::Error::New(env, error.what()).Value();
  object.Set("code", code_name(error.code()));
  if (!error.hint().empty()) object.Set("hint", error.hint());
  return object;
}

Napi::Object to_js(Napi::Env env, const Error& error, Napi::Object call) {
  Napi::Object object = to_js(env, error);
  const Napi::Value stack = call.Get("stack");
  if (!stack.IsString()) return object;
  // Its first line is the name of the error that has no message.
  const std::string text = stack.As<Napi::String>();
  const auto frames = text.find('\n');
  if (frames != std::string::npos) object.Set("stack", std::string("Error: ") + error.what() + text.substr(frames));
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

}  // namespace t2i
