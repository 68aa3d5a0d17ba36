#include "node/worker.h"

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "node/environment.h"
#include "node/request.h"

namespace t2i {

std::shared_ptr<Worker> Worker::start(Napi::Env env, const char* name, Ends ends) {
  const std::shared_ptr<Worker> worker(new Worker(std::move(ends)));
  worker->env_ = env;
  // The channel shares the worker: a call of it may come after everybody else has let go.
  auto* shared = new std::shared_ptr<Worker>(worker);
  const napi_finalize drop = [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Worker>*>(data); };
  const napi_status status = napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, name), 0, 1,
                                                             shared, drop, worker.get(), on_call, &worker->channel_);
  if (status != napi_ok) {
    delete shared;
    throw Napi::Error::New(env);
  }
  worker->keep_loop_alive(env);
  try {
    worker->thread_ = std::thread(&Worker::work, worker.get());
  } catch (const std::system_error& error) {
    worker->ended_ = true;
    napi_release_threadsafe_function(worker->channel_, napi_tsfn_abort);
    throw Error(ErrorCode::out_of_memory, std::string("no thread could be started: ") + error.what());
  }
  // Hooks run in reverse order: this one comes before the channel's own, while the thread may still call it.
  napi_add_env_cleanup_hook(env, on_environment_exit, worker.get());
  Environment::of(env).add(env, *worker);
  return worker;
}

void Worker::submit(Napi::Env env, std::shared_ptr<Request> request) {
  if (closing_) request->end(ErrorCode::closed);
  if (request->ended()) {
    conclude(env, *request);
    return;
  }
  request->submitted_to(*this);
  pending_.push_back(request);
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(request.get());
  }
  wake_.notify_one();
  keep_loop_alive(env);
}

void Worker::withdraw(Request& request) {
  {
    const std::lock_guard lock(mutex_);
    const auto place = std::find(queue_.begin(), queue_.end(), &request);
    if (place == queue_.end()) return;
    queue_.erase(place);
  }
  settle(env_, request);
}

void Worker::close(Napi::Env env, std::optional<Napi::Promise::Deferred> done) {
  if (ended_) {
    if (done) done->Resolve(env.Undefined());
    return;
  }
  if (done) closers_.push_back(*done);
  if (!closing_) {
    closing_ = true;
    signal_stop();
    const auto pending = pending_;
    for (const auto& request : pending) request->end(ErrorCode::closed);
  }
  keep_loop_alive(env);
}

void Worker::stop() noexcept {
  if (ended_) return;
  closing_ = ended_ = true;
  signal_stop();
  for (const auto& request : pending_) request->cancel();
  thread_.join();
  pending_.clear();
  closers_.clear();
}

void Worker::signal_stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
}

void Worker::notify() noexcept {
  // A failing call means that the environment is going away: nobody waits any more.
  if (!notified_.exchange(true)) napi_call_threadsafe_function(channel_, nullptr, napi_tsfn_nonblocking);
}

void Worker::work() noexcept {
  for (;;) {
    Request* request = nullptr;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) break;
      request = queue_.front();
      queue_.pop_front();
    }
    request->perform();
    notify();
  }
  if (ends_.on_thread) ends_.on_thread();
  thread_done_ = true;
  notify();
}

void Worker::on_call(napi_env env, napi_value, void* context, void*) noexcept {
  // Without an environment nothing can be answered, and the worker may be gone.
  if (env == nullptr) return;
  try {
    static_cast<Worker*>(context)->deliver(env);
  } catch (...) {
    // JavaScript is being terminated; the environment's exit stops the thread.
  }
}

void Worker::on_environment_exit(void* worker) noexcept { static_cast<Worker*>(worker)->stop(); }

void Worker::deliver(Napi::Env env) {
  // Cleared before looking: what comes after the look makes a call of its own.
  notified_ = false;
  const bool thread_done = thread_done_;
  while (!ended_ && !pending_.empty()) {
    const std::shared_ptr<Request> request = pending_.front();
    const bool performed = request->performed();
    request->deliver(env);
    // The listener may have stopped everything by process.exit().
    if (!performed || ended_) break;
    settle(env, *request);
  }
  if (thread_done && !ended_) finish(env);
}

void Worker::settle(Napi::Env env, Request& request) {
  const auto place =
      std::find_if(pending_.begin(), pending_.end(), [&](const auto& pending) { return pending.get() == &request; });
  const std::shared_ptr<Request> settled = std::move(*place);
  pending_.erase(place);
  conclude(env, *settled);
  keep_loop_alive(env);
}

void Worker::conclude(Napi::Env env, Request& request) {
  const bool resolved = request.settle(env);
  if (request.last(resolved)) close(env, std::nullopt);
}

void Worker::finish(Napi::Env env) {
  thread_.join();
  ended_ = true;
  napi_remove_env_cleanup_hook(env, on_environment_exit, this);
  Environment::of(env).remove(*this);
  if (ends_.closed) ends_.closed(env);
  for (const auto& closer : closers_) closer.Resolve(env.Undefined());
  closers_.clear();
  napi_release_threadsafe_function(channel_, napi_tsfn_release);
}

void Worker::keep_loop_alive(Napi::Env env) {
  const bool wanted = !pending_.empty() || !closers_.empty();
  if (ended_ || wanted == keeps_loop_) return;
  keeps_loop_ = wanted;
  if (wanted) {
    napi_ref_threadsafe_function(env, channel_);
  } else {
    napi_unref_threadsafe_function(env, channel_);
  }
}

}  // namespace t2i
