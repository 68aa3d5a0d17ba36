#include "node/environment.h"

#include "node/worker.h"

namespace t2i {

void Environment::create(Napi::Env env) { env.SetInstanceData(new Environment); }

Environment& Environment::of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

void Environment::add(Napi::Env env, Worker& worker) {
  listen_for_exit(env);
  workers_.insert(&worker);
}

/// process.exit() on the main thread runs no cleanup hooks, only this event; a thread that still ran would then meet
/// libraries whose static objects are destroyed.
void Environment::listen_for_exit(Napi::Env env) {
  if (listens_) return;
  const Napi::Value process = env.Global().Get("process");
  if (!process.IsObject()) return;
  const auto stop_all = [this](const Napi::CallbackInfo&) {
    const std::set<Worker*> workers = workers_;
    for (Worker* worker : workers) worker->stop();
  };
  const auto object = process.As<Napi::Object>();
  object.Get("once").As<Napi::Function>().Call(
      object, {Napi::String::New(env, "exit"), Napi::Function::New(env, stop_all, "stopNativeThreads")});
  listens_ = true;
}

}  // namespace t2i
