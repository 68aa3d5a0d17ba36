#include "generate_napi.h"

#include <utility>

#include "job_napi.h"
#include "pipeline.h"

namespace t2i {

GenerateRequest::GenerateRequest(const Napi::Promise::Deferred& promise, Job job, std::shared_ptr<SessionModel> model)
    : Request(promise), job_(std::move(job)), model_(std::move(model)) {}

void GenerateRequest::run() {
  JobControl control{cancelled()};
  job_.watched = listened();
  if (job_.watched) {
    const auto report = [this](auto&& each) {
      {
        const std::lock_guard lock(mutex_);
        reports_.emplace_back(std::move(each));
      }
      notify();
    };
    control.on_step = report;
    control.on_image = report;
  }
  result_ = model_->pipeline->run(job_, control);
}

Napi::Value GenerateRequest::progress(Napi::Env env) {
  std::vector<Report> reports;
  {
    const std::lock_guard lock(mutex_);
    reports.swap(reports_);
  }
  if (reports.empty()) return {};
  return to_js(env, std::move(reports), job_.plan.steps);
}

Napi::Value GenerateRequest::result(Napi::Env env) { return to_js(env, std::move(result_)); }

}  // namespace t2i
