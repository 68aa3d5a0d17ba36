#include "node/job.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "base/step.h"
#include "node/bytes.h"
#include "pipeline/plan_table.h"

namespace t2i {

namespace {

constexpr int32_t kLargest = std::numeric_limits<int32_t>::max();
// Far beyond any request; they keep products of sizes within 64 bits.
constexpr int32_t kLargestSide = 1 << 14;
constexpr int32_t kLargestCount = 1 << 16;

int32_t count(const Argument& argument, int32_t min, int32_t max = kLargest) {
  return static_cast<int32_t>(argument.integer(min, max));
}

Plan read_plan(const Argument& plan) {
  Plan result;
  result.steps = count(plan["steps"], 1, kLargestCount);
  result.timesteps = plan["timesteps"].floats(result.steps).copy();
  result.rows = plan["rows"].floats(static_cast<std::size_t>(result.steps) * kRowLength).copy();
  if (!plan["clip"].absent()) result.clip = plan["clip"].real();
  result.init_scale = plan["initScale"].real();
  return result;
}

Prompt read_prompt(const Argument& image, std::size_t context_length, bool guided) {
  Prompt prompt;
  prompt.ids = image["promptIds"].int32s(context_length).copy();
  if (guided) prompt.negative_ids = image["negativeIds"].int32s(context_length).copy();
  return prompt;
}

/// Read in place where another thread draws it.
Noise read_noise(const Argument& image, std::size_t length) {
  const View<float> values = image["noise"].floats(length);
  Noise noise;
  if (image["drawn"].absent()) {
    noise.own = values.copy();
    return noise;
  }
  for (const char* field : {"noise", "drawn"}) {
    // Memory that is not shared could be taken away by a transfer.
    if (!image[field].is_shared()) image[field].refuse("an array in a SharedArrayBuffer");
  }
  noise.shared = values.data;
  noise.shared_size = values.size;
  noise.drawn = image["drawn"].int32s(1).data;
  return noise;
}

Napi::Object raster_to_js(Napi::Env env, Raster&& raster) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("rgb", to_js(env, std::move(raster.rgb)));
  object.Set("width", raster.width);
  object.Set("height", raster.height);
  return object;
}

}  // namespace

ModelFacts read_model(const Argument& model) {
  ModelFacts facts;
  facts.latent_channels = count(model["latentChannels"], 1, kLargestSide);
  facts.vae_factor = count(model["vaeFactor"], 1, kLargestSide);
  facts.scaling_factor = model["scalingFactor"].real();
  facts.shift_factor = model["shiftFactor"].real();
  facts.context_length = count(model["contextLength"], 1, kLargestCount);
  const Argument text = model["textEncoder"];
  facts.text_encoder.ids = text["ids"].string();
  if (!text["attentionMask"].absent()) facts.text_encoder.attention_mask = text["attentionMask"].string();
  facts.text_encoder.states = text["states"].string();
  const Argument unet = model["unet"];
  facts.unet.sample = unet["sample"].string();
  facts.unet.timestep = unet["timestep"].string();
  facts.unet.states = unet["states"].string();
  if (!unet["timestepCond"].absent()) {
    facts.unet.timestep_cond = unet["timestepCond"].string();
    facts.guidance_width = count(model["guidanceWidth"], 1, kLargestCount);
  }
  facts.unet.output = unet["output"].string();
  const Argument decoder = model["vaeDecoder"];
  facts.vae_decoder.latents = decoder["latents"].string();
  facts.vae_decoder.image = decoder["image"].string();
  return facts;
}

Job read_job(const Argument& job, const ModelFacts& model) {
  Job result;
  if (!job["guidanceScale"].absent()) result.guidance_scale = job["guidanceScale"].real();
  if (model.guidance_width > 0) {
    const auto width = static_cast<std::size_t>(model.guidance_width);
    result.guidance_embedding = job["guidanceEmbedding"].floats(width).copy();
  }
  result.plan = read_plan(job["plan"]);
  result.latent_height = count(job["latentHeight"], 1, kLargestSide);
  result.latent_width = count(job["latentWidth"], 1, kLargestSide);
  result.preview_every = count(job["previewEvery"], 0);
  // The first latents, and what the rows take.
  const std::size_t blocks = 1 + static_cast<std::size_t>(noise_blocks(result.plan));
  const std::size_t length = blocks * static_cast<std::size_t>(model.latent_channels) *
                             static_cast<std::size_t>(result.latent_height) *
                             static_cast<std::size_t>(result.latent_width);
  const auto context_length = static_cast<std::size_t>(model.context_length);
  const std::vector<Argument> images = job["images"].list();
  if (images.empty()) job["images"].refuse("at least one image");
  for (const Argument& image : images) {
    result.prompts.push_back(read_prompt(image, context_length, result.guidance_scale.has_value()));
    result.noise.push_back(read_noise(image, length));
  }
  return result;
}

Napi::Object to_js(Napi::Env env, JobResult&& result) {
  Napi::Array images = Napi::Array::New(env, result.images.size());
  for (uint32_t i = 0; i < result.images.size(); ++i) images.Set(i, raster_to_js(env, std::move(result.images[i])));
  Napi::Object timings = Napi::Object::New(env);
  timings.Set("textEncoder", result.timings.text_encoder);
  timings.Set("unet", result.timings.unet);
  timings.Set("vaeDecoder", result.timings.vae_decoder);
  timings.Set("total", result.timings.total);
  Napi::Array warnings = Napi::Array::New(env, result.warnings.size());
  for (uint32_t i = 0; i < result.warnings.size(); ++i) warnings.Set(i, result.warnings[i]);
  Napi::Object object = Napi::Object::New(env);
  object.Set("images", images);
  object.Set("timings", timings);
  object.Set("warnings", warnings);
  return object;
}

Napi::Array to_js(Napi::Env env, std::vector<Report>&& reports, int32_t steps) {
  Napi::Array list = Napi::Array::New(env, reports.size());
  for (uint32_t i = 0; i < reports.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    if (auto* done = std::get_if<ImageReport>(&reports[i])) {
      object.Set("image", done->image);
      object.Set("raster", raster_to_js(env, std::move(done->raster)));
    } else {
      auto& step = std::get<StepReport>(reports[i]);
      object.Set("image", step.image);
      object.Set("step", step.step);
      object.Set("steps", steps);
      if (step.preview) object.Set("preview", raster_to_js(env, std::move(*step.preview)));
    }
    list.Set(i, object);
  }
  return list;
}

}  // namespace t2i
