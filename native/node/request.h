#pragma once

#include <napi.h>

#include <atomic>
#include <exception>
#include <memory>
#include <optional>

#include "node/argument.h"
#include "node/error.h"

namespace t2i {

class Worker;

/// A call of JavaScript's that a worker answers later: its promise, its signal and its listener. What is done, and what
/// is answered, is the derived class's. Made, settled and destroyed on the JavaScript thread; only `perform` runs on
/// the worker's.
class Request : public std::enable_shared_from_this<Request> {
 public:
  explicit Request(const Napi::Promise::Deferred& deferred);
  virtual ~Request() = default;

  /// Aborting `signal` (an AbortSignal or null) ends the request with ABORTED.
  void watch(const Argument& signal);
  /// `listener` (a function or null) hears of progress; what it throws ends the request and is what the promise rejects
  /// with.
  void listen(const Argument& listener);
  /// Keeps `owner` alive until the request is settled.
  void keep(Napi::Object owner) { owner_ = Napi::Persistent(owner); }

  /// On the worker's thread. Its last act is that `performed` becomes true; nothing of the request may be touched after
  /// that.
  void perform() noexcept;
  bool performed() const noexcept { return performed_; }

  void submitted_to(Worker& worker) { worker_ = &worker; }
  /// Lets the work end at its next step; the promise will reject with `code`, ABORTED or CLOSED.
  void end(ErrorCode code);
  bool ended() const { return end_.has_value(); }
  /// Lets the work end at its next step.
  void cancel() noexcept { cancelled_ = true; }
  /// Tells the listener what has gathered.
  void deliver(Napi::Env env);
  /// Resolves or rejects the promise; whether it was resolved.
  bool settle(Napi::Env env);
  /// Whether the worker's thread has nothing to do after it.
  virtual bool last(bool) const { return false; }

 protected:
  /// The work, on the worker's thread.
  virtual void run() = 0;
  /// What the promise resolves to.
  virtual Napi::Value result(Napi::Env env) = 0;
  /// What the listener is told: all that came since the last call; empty for nothing.
  virtual Napi::Value progress(Napi::Env) { return {}; }

  /// Has `progress` asked for soon; on any thread, during `run` alone.
  void notify();
  const std::atomic<bool>& cancelled() const { return cancelled_; }
  bool listened() const { return !listener_.IsEmpty(); }

 private:
  Napi::Value rejection(Napi::Env env);
  void forget_signal();

  Napi::Promise::Deferred deferred_;
  /// An error made at the call: where it came from.
  Napi::ObjectReference call_;
  Napi::ObjectReference owner_;
  Napi::ObjectReference signal_;
  Napi::FunctionReference on_abort_;
  Napi::FunctionReference listener_;
  Worker* worker_ = nullptr;
  /// Why it ends before its time.
  std::optional<ErrorCode> end_;
  /// What the listener threw.
  std::optional<Napi::Error> thrown_;

  std::atomic<bool> cancelled_{false};
  std::atomic<bool> performed_{false};
  /// What `run` threw; read after `performed`.
  std::exception_ptr failure_;
};

/// Calls `body` with the promise that is returned; what `body` throws rejects it, so that an asynchronous function
/// never throws.
template <typename Body>
Napi::Value promised(Napi::Env env, Body body) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  try {
    body(deferred);
  } catch (const Napi::Error& error) {
    deferred.Reject(error.Value());
  } catch (...) {
    deferred.Reject(to_js(env, as_error(std::current_exception())));
  }
  return deferred.Promise();
}

}  // namespace t2i
