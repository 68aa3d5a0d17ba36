#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>

#include "base/job.h"

namespace t2i {

class Pipeline;
class Worker;

struct SessionModel {
  ~SessionModel();
  /// Made, used and freed on the session's thread.
  std::unique_ptr<Pipeline> pipeline;
  /// What V8 was told of it; JavaScript thread.
  int64_t reported_bytes = 0;
};

/// NativeSession of src/backends/tensorrt/native.ts: one model on one thread. A session that JavaScript forgets is
/// closed.
class Session : public Napi::ObjectWrap<Session> {
 public:
  /// What `open` hands to the constructor, which JavaScript cannot call.
  struct Parts {
    std::shared_ptr<Worker> worker;
    std::shared_ptr<SessionModel> model;
    ModelFacts facts;
    int64_t largest_batch;
  };

  static void export_class(Napi::Env env, Napi::Object exports);
  static Napi::Object create(Napi::Env env, Parts parts);
  explicit Session(const Napi::CallbackInfo& info);
  ~Session() override;

 private:
  static Napi::Value open(const Napi::CallbackInfo& info);
  Napi::Value generate(const Napi::CallbackInfo& info);
  Napi::Value runtime_caches(const Napi::CallbackInfo& info);
  Napi::Value largest_batch(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  Napi::Env env_;
  Parts parts_;
};

}  // namespace t2i
