#pragma once

#include <napi.h>

#include <set>

namespace t2i {

class Worker;

/// What the addon keeps for one JavaScript environment: the main thread's, or a worker thread's.
class Environment {
 public:
  static void create(Napi::Env env);
  static Environment& of(Napi::Env env);

  Napi::FunctionReference session_constructor;

  /// Until `remove`, the worker is stopped when the process is about to exit.
  void add(Napi::Env env, Worker& worker);
  void remove(Worker& worker) { workers_.erase(&worker); }

 private:
  void listen_for_exit(Napi::Env env);

  std::set<Worker*> workers_;
  bool listens_ = false;
};

}  // namespace t2i
