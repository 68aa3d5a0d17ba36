#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <vector>

#include "base/job.h"
#include "node/request.h"
#include "node/session.h"
#include "pipeline/pipeline.h"

namespace t2i {

/// One call of `generate`.
class GenerateRequest : public Request {
 public:
  /// @param job a NativeJob
  GenerateRequest(const Napi::Promise::Deferred& promise, const Argument& job, const ModelFacts& facts,
                  std::shared_ptr<SessionModel> model);

 private:
  void run() override;
  Napi::Value progress(Napi::Env env) override;
  Napi::Value result(Napi::Env env) override;
  void gather(Report&& report);
  void drop_previews(int32_t image);

  Job job_;
  /// Arrays that the job reads in place.
  std::vector<Napi::ObjectReference> held_;
  std::shared_ptr<SessionModel> model_;
  JobResult result_;
  std::mutex mutex_;
  /// What the listener has not heard of.
  std::vector<Report> reports_;
};

/// One call of `runtimeCaches`.
class CachesRequest : public Request {
 public:
  CachesRequest(const Napi::Promise::Deferred& promise, std::shared_ptr<SessionModel> model);

 private:
  void run() override;
  Napi::Value result(Napi::Env env) override;

  std::shared_ptr<SessionModel> model_;
  RuntimeCaches caches_;
};

}  // namespace t2i
