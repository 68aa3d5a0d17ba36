#include "node/build.h"

#include <chrono>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "cuda/device.h"
#include "engine/builder.h"
#include "node/bytes.h"
#include "node/request.h"
#include "node/worker.h"
#include "tensorrt/library.h"

namespace t2i {

namespace {

/// TensorRT reports thousands of steps a second; nobody reads more of them than this.
constexpr auto kBetweenReports = std::chrono::milliseconds(50);
constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();

Dims read_dims(const Argument& dims) {
  Dims result;
  for (const Argument& dim : dims.list()) result.push_back(dim.integer(0, kLargest));
  return result;
}

BuildOptions read_options(const Argument& options) {
  BuildOptions result;
  result.onnx_path = options["onnx"].string();
  for (const Argument& profile : options["profiles"].list()) {
    result.profiles.push_back(
        {profile["input"].string(), read_dims(profile["min"]), read_dims(profile["opt"]), read_dims(profile["max"])});
  }
  for (const Argument& capability : options["computeCapabilities"].list()) {
    result.compute_capabilities.push_back(static_cast<int32_t>(capability.integer(10, 999)));
  }
  if (!options["timingCache"].absent()) result.timing_cache = options["timingCache"].bytes().copy();
  constexpr int64_t kLargestSafeInteger = (int64_t{1} << 53) - 1;
  result.workspace_bytes = static_cast<std::size_t>(options["workspaceBytes"].integer(0, kLargestSafeInteger));
  return result;
}

class BuildRequest : public Request {
 public:
  BuildRequest(const Napi::Promise::Deferred& promise, const Argument& options)
      : Request(promise), library_(options["library"].string()), options_(read_options(options)) {
    if (!options["device"].absent()) device_ = static_cast<int>(options["device"].integer(0, kLargest));
  }

 private:
  bool last(bool) const override { return true; }

  void run() override {
    if (device_) cuda::use_device(options_.device = *device_);
    const auto on_progress = [this](const BuildProgress& progress) { report(progress); };
    result_ = build_engine(tensorrt::Library::open(library_), options_, cancelled(),
                           listened() ? on_progress : std::function<void(const BuildProgress&)>());
  }

  /// On the building threads. The listener hears the latest, and the last.
  void report(const BuildProgress& progress) {
    const auto now = std::chrono::steady_clock::now();
    {
      const std::lock_guard lock(mutex_);
      latest_ = progress;
      if (now - reported_ < kBetweenReports) return;
      reported_ = now;
    }
    notify();
  }

  Napi::Value progress(Napi::Env env) override {
    std::optional<BuildProgress> latest;
    {
      const std::lock_guard lock(mutex_);
      latest.swap(latest_);
    }
    if (!latest) return {};
    Napi::Object object = Napi::Object::New(env);
    object.Set("phase", latest->phase);
    object.Set("step", latest->step);
    object.Set("steps", latest->steps);
    object.Set("fraction", latest->fraction);
    return object;
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Array log = Napi::Array::New(env, result_.log.size());
    for (uint32_t i = 0; i < result_.log.size(); ++i) log.Set(i, result_.log[i]);
    Napi::Object object = Napi::Object::New(env);
    // A session may read it in place: see HeldBytes.
    object.Set("serialized", copy_to_js(env, result_.serialized));
    const bool timed = !result_.timing_cache.empty();
    object.Set("timingCache", timed ? to_js(env, std::move(result_.timing_cache)).As<Napi::Value>() : env.Null());
    object.Set("log", log);
    return object;
  }

  std::string library_;
  std::optional<int> device_;
  BuildOptions options_;
  BuildResult result_;
  std::mutex mutex_;
  std::optional<BuildProgress> latest_;
  std::chrono::steady_clock::time_point reported_;
};

Napi::Value build(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&](const auto& promise) {
    auto request = std::make_shared<BuildRequest>(promise, Argument(info[0], "options"));
    request->listen(Argument(info[2], "onProgress"));
    request->watch(Argument(info[1], "signal"));
    Worker::start(info.Env(), "t2i build", {})->submit(info.Env(), std::move(request));
  });
}

}  // namespace

void export_build(Napi::Env env, Napi::Object exports) {
  exports.Set("buildEngine", Napi::Function::New(env, build, "buildEngine"));
}

}  // namespace t2i
