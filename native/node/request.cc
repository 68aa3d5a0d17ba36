#include "node/request.h"

#include "node/worker.h"

namespace t2i {

Request::Request(const Napi::Promise::Deferred& deferred)
    : deferred_(deferred), call_(Napi::Persistent(Napi::Error::New(deferred.Env(), "").Value())) {}

void Request::watch(const Argument& signal) {
  if (signal.absent()) return;
  const Napi::Object object = signal.object();
  if (!object.Get("addEventListener").IsFunction()) signal.refuse("an AbortSignal or null");
  if (object.Get("aborted").ToBoolean()) {
    end(ErrorCode::aborted);
    return;
  }
  // The signal may outlive the request, so its listener does not own it.
  const auto on_abort = [request = weak_from_this()](const Napi::CallbackInfo&) {
    if (const auto aborted = request.lock()) aborted->end(ErrorCode::aborted);
  };
  signal_ = Napi::Persistent(object);
  on_abort_ = Napi::Persistent(Napi::Function::New(object.Env(), on_abort));
  object.Get("addEventListener")
      .As<Napi::Function>()
      .Call(object, {Napi::String::New(object.Env(), "abort"), on_abort_.Value()});
}

void Request::forget_signal() {
  if (signal_.IsEmpty()) return;
  const Napi::Object signal = signal_.Value();
  const auto name = Napi::String::New(signal.Env(), "abort");
  signal.Get("removeEventListener").As<Napi::Function>().Call(signal, {name, on_abort_.Value()});
}

void Request::listen(const Argument& listener) {
  if (!listener.absent()) listener_ = Napi::Persistent(listener.function());
}

void Request::perform() noexcept {
  try {
    run();
  } catch (...) {
    failure_ = std::current_exception();
  }
  performed_ = true;
}

void Request::notify() { worker_->notify(); }

void Request::end(ErrorCode code) {
  if (!end_) end_ = code;
  cancel();
  if (worker_ != nullptr) worker_->withdraw(*this);
}

void Request::deliver(Napi::Env env) {
  if (!listened() || end_ || thrown_) return;
  const Napi::Value news = progress(env);
  if (news.IsEmpty()) return;
  try {
    listener_.Call({news});
  } catch (const Napi::Error& error) {
    thrown_.emplace(error);
    cancel();
  }
}

bool Request::settle(Napi::Env env) {
  try {
    forget_signal();
    const Napi::Value reason = rejection(env);
    if (reason.IsEmpty()) {
      deferred_.Resolve(result(env));
      return true;
    }
    deferred_.Reject(reason);
  } catch (const Napi::Error& error) {
    deferred_.Reject(error.Value());
  } catch (...) {
    deferred_.Reject(to_js(env, as_error(std::current_exception()), call_.Value()));
  }
  return false;
}

Napi::Value Request::rejection(Napi::Env env) {
  if (thrown_) return thrown_->Value();
  const auto reason = [&](const Error& error) { return to_js(env, error, call_.Value()); };
  if (end_ == ErrorCode::aborted) return reason(Error(ErrorCode::aborted, "the request was aborted"));
  if (end_) return reason(Error(ErrorCode::closed, "the session was closed before the request was done"));
  if (failure_) return reason(as_error(failure_));
  return {};
}

}  // namespace t2i
