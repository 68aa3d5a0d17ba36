#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace t2i {

class Request;

/// One thread that performs requests in the order of their calls, and its one way back to the JavaScript thread. All
/// the asynchronous plumbing is here. Everything but `notify` is called on the JavaScript thread.
///
/// Progress is coalesced: a request gathers what happened, `notify` asks for one delivery, and a JavaScript thread that
/// is busy slows nothing down. While requests are pending the event loop stays alive; an idle worker does not keep the
/// process.
class Worker {
 public:
  struct Ends {
    /// On the thread, as its last act: frees what the requests made there.
    std::function<void()> on_thread;
    /// On the JavaScript thread, after the thread ended by `close`.
    std::function<void(Napi::Env)> closed;
  };

  /// @throws Error OUT_OF_MEMORY where no thread can be started
  static std::shared_ptr<Worker> start(Napi::Env env, const char* name, Ends ends);

  /// Performs the request after those before it. One that has ended is settled at once; after `close` that is every
  /// one.
  void submit(Napi::Env env, std::shared_ptr<Request> request);
  /// Settles a request that ended while it waited in the queue; one that runs ends by itself.
  void withdraw(Request& request);
  /// Ends all requests with CLOSED, the running one at its next step, then the thread; `done` resolves after that.
  /// Idempotent.
  void close(Napi::Env env, std::optional<Napi::Promise::Deferred> done);
  /// Ends the thread at once and waits for it. No promise is settled any more: the environment is going away.
  void stop() noexcept;

  /// On any thread: has the JavaScript thread look at its requests.
  void notify() noexcept;

 private:
  explicit Worker(Ends ends) : ends_(std::move(ends)) {}
  static void on_call(napi_env env, napi_value, void* context, void*) noexcept;
  static void on_environment_exit(void* worker) noexcept;
  void work() noexcept;
  void deliver(Napi::Env env);
  void finish(Napi::Env env);
  void signal_stop();
  void settle(Napi::Env env, Request& request);
  void conclude(Napi::Env env, Request& request);
  void keep_loop_alive(Napi::Env env);

  Ends ends_;

  // JavaScript thread
  napi_env env_ = nullptr;
  napi_threadsafe_function channel_ = nullptr;
  /// Submitted and not settled, in order. Owns the requests: their references to JavaScript's objects are freed on its
  /// thread.
  std::list<std::shared_ptr<Request>> pending_;
  std::vector<Napi::Promise::Deferred> closers_;
  bool keeps_loop_ = true;
  bool closing_ = false;
  bool ended_ = false;

  // Both threads
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Request*> queue_;
  bool stopping_ = false;
  std::atomic<bool> notified_{false};
  std::atomic<bool> thread_done_{false};
};

}  // namespace t2i
