#include "node/generate.h"

#include <utility>

#include "node/bytes.h"
#include "node/job.h"
#include "pipeline/pipeline.h"

namespace t2i {

GenerateRequest::GenerateRequest(const Napi::Promise::Deferred& promise, const Argument& job, const ModelFacts& facts,
                                 std::shared_ptr<SessionModel> model)
    : Request(promise), job_(read_job(job, facts)), model_(std::move(model)) {
  for (const Argument& image : job["images"].list()) {
    for (const char* field : {"noise", "drawn"}) {
      if (!image["drawn"].absent()) held_.push_back(Napi::Persistent(image[field].object()));
    }
  }
}

void GenerateRequest::run() {
  JobControl control{cancelled()};
  job_.watched = listened();
  if (job_.watched) {
    control.on_step = [this](StepReport&& step) { gather(std::move(step)); };
    control.on_image = [this](ImageReport&& image) { gather(std::move(image)); };
  }
  result_ = model_->pipeline->run(job_, control);
}

void GenerateRequest::gather(Report&& report) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto* step = std::get_if<StepReport>(&report); step != nullptr && step->preview)
      drop_previews(step->image);
    reports_.push_back(std::move(report));
  }
  notify();
}

/// While JavaScript is busy they would gather, megabytes each, and only the newest will be looked at.
void GenerateRequest::drop_previews(int32_t image) {
  for (Report& report : reports_) {
    auto* step = std::get_if<StepReport>(&report);
    if (step != nullptr && step->image == image) step->preview.reset();
  }
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

CachesRequest::CachesRequest(const Napi::Promise::Deferred& promise, std::shared_ptr<SessionModel> model)
    : Request(promise), model_(std::move(model)) {}

void CachesRequest::run() { caches_ = model_->pipeline->runtime_caches(); }

Napi::Value CachesRequest::result(Napi::Env env) {
  const auto value = [&](std::vector<uint8_t>& cache) {
    return cache.empty() ? env.Null() : to_js(env, std::move(cache)).As<Napi::Value>();
  };
  Napi::Object object = Napi::Object::New(env);
  object.Set("textEncoder", value(caches_.text_encoder));
  object.Set("unet", value(caches_.unet));
  object.Set("vaeDecoder", value(caches_.vae_decoder));
  return object;
}

Napi::Value GenerateRequest::result(Napi::Env env) { return to_js(env, std::move(result_)); }

}  // namespace t2i
