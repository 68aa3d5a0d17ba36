#include "node/session.h"

#include <utility>

#include "node/environment.h"
#include "node/error.h"
#include "node/generate.h"
#include "node/job.h"
#include "node/open.h"
#include "node/worker.h"
#include "pipeline/pipeline.h"

namespace t2i {

SessionModel::~SessionModel() = default;

void Session::export_class(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor = DefineClass(
      env, "Session",
      {StaticMethod("open", &Session::open), InstanceMethod("generate", &Session::generate),
       InstanceMethod("runtimeCaches", &Session::runtime_caches),
       InstanceAccessor<&Session::largest_batch>("largestBatch"), InstanceMethod("close", &Session::close)});
  Environment::of(env).session_constructor = Napi::Persistent(constructor);
  exports.Set("Session", constructor);
}

Napi::Object Session::create(Napi::Env env, Parts parts) {
  return Environment::of(env).session_constructor.New({Napi::External<Parts>::New(env, &parts)});
}

Session::Session(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Session>(info), env_(info.Env()) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "a session is made by Session.open(options)");
  parts_ = std::move(*info[0].As<Napi::External<Parts>>().Data());
}

Session::~Session() {
  if (parts_.worker) parts_.worker->close(env_, std::nullopt);
}

Napi::Value Session::open(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&](const auto& promise) { open_session(Argument(info[0], "options"), promise); });
}

Napi::Value Session::generate(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&](const auto& promise) {
    auto request = std::make_shared<GenerateRequest>(promise, Argument(info[0], "job"), parts_.facts, parts_.model);
    request->listen(Argument(info[2], "onEvents"));
    request->watch(Argument(info[1], "signal"));
    request->keep(info.This().As<Napi::Object>());
    parts_.worker->submit(info.Env(), std::move(request));
  });
}

Napi::Value Session::runtime_caches(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&](const auto& promise) {
    auto request = std::make_shared<CachesRequest>(promise, parts_.model);
    request->keep(info.This().As<Napi::Object>());
    parts_.worker->submit(info.Env(), std::move(request));
  });
}

Napi::Value Session::largest_batch(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(parts_.largest_batch));
}

Napi::Value Session::close(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&](const auto& promise) { parts_.worker->close(info.Env(), promise); });
}

}  // namespace t2i
