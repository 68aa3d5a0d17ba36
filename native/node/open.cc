#include "node/open.h"

#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cuda/device.h"
#include "node/bytes.h"
#include "node/job.h"
#include "node/request.h"
#include "node/session.h"
#include "node/worker.h"
#include "pipeline/pipeline.h"
#include "tensorrt/library.h"

namespace t2i {

namespace {

/// NativeSessionOptions.
struct OpenOptions {
  explicit OpenOptions(const Argument& options)
      : library(options["library"].string()),
        facts(read_model(options["model"])),
        text_encoder(options["engines"]["textEncoder"]),
        unet(options["engines"]["unet"]),
        vae_decoder(options["engines"]["vaeDecoder"]),
        text_encoder_hash(options["engineHashes"]["textEncoder"].string()),
        unet_hash(options["engineHashes"]["unet"].string()),
        vae_decoder_hash(options["engineHashes"]["vaeDecoder"].string()),
        text_encoder_cache(read_cache(options["runtimeCaches"]["textEncoder"])),
        unet_cache(read_cache(options["runtimeCaches"]["unet"])),
        vae_decoder_cache(read_cache(options["runtimeCaches"]["vaeDecoder"])) {
    pipeline.device = static_cast<int32_t>(options["device"].integer(0, std::numeric_limits<int32_t>::max()));
    pipeline.use_graph = options["useGraph"].boolean();
  }

  /// Of the serialized engines; what the engines take on the device is of that order, though sessions may share it.
  int64_t bytes() const { return static_cast<int64_t>(text_encoder.size() + unet.size() + vae_decoder.size()); }

  std::string library;
  ModelFacts facts;
  PipelineOptions pipeline;
  HeldBytes text_encoder;
  HeldBytes unet;
  HeldBytes vae_decoder;
  std::string text_encoder_hash;
  std::string unet_hash;
  std::string vae_decoder_hash;
  std::vector<uint8_t> text_encoder_cache;
  std::vector<uint8_t> unet_cache;
  std::vector<uint8_t> vae_decoder_cache;

 private:
  static std::vector<uint8_t> read_cache(const Argument& cache) {
    return cache.absent() ? std::vector<uint8_t>() : cache.bytes().copy();
  }
};

class OpenRequest : public Request {
 public:
  OpenRequest(const Napi::Promise::Deferred& promise, OpenOptions options, std::shared_ptr<Worker> worker,
              std::shared_ptr<SessionModel> model)
      : Request(promise), options_(std::move(options)), worker_(std::move(worker)), model_(std::move(model)) {}

 private:
  void run() override {
    cuda::use_device(options_.pipeline.device);
    const auto library = tensorrt::Library::open(options_.library);
    const auto engine = [&](const HeldBytes& serialized, const std::string& hash, const std::vector<uint8_t>& cache) {
      return Engine(library, {serialized.data(), serialized.size()}, {cache.data(), cache.size()},
                    {hash, options_.pipeline.device});
    };
    Engines engines{engine(options_.text_encoder, options_.text_encoder_hash, options_.text_encoder_cache),
                    engine(options_.unet, options_.unet_hash, options_.unet_cache),
                    engine(options_.vae_decoder, options_.vae_decoder_hash, options_.vae_decoder_cache)};
    model_->pipeline = std::make_unique<Pipeline>(std::move(engines), options_.facts, options_.pipeline);
  }

  Napi::Value result(Napi::Env env) override {
    const Napi::Object session =
        Session::create(env, {worker_, model_, options_.facts, model_->pipeline->largest_batch()});
    model_->reported_bytes = options_.bytes();
    Napi::MemoryManagement::AdjustExternalMemory(env, model_->reported_bytes);
    return session;
  }

  bool last(bool resolved) const override { return !resolved; }

  OpenOptions options_;
  std::shared_ptr<Worker> worker_;
  std::shared_ptr<SessionModel> model_;
};

}  // namespace

void open_session(const Argument& options, const Napi::Promise::Deferred& promise) {
  const Napi::Env env = promise.Env();
  OpenOptions read(options);
  auto model = std::make_shared<SessionModel>();
  const auto worker = Worker::start(
      env, "t2i session",
      {[model] { model->pipeline.reset(); },
       [model](Napi::Env env) { Napi::MemoryManagement::AdjustExternalMemory(env, -model->reported_bytes); }});
  worker->submit(env, std::make_shared<OpenRequest>(promise, std::move(read), worker, model));
}

}  // namespace t2i
