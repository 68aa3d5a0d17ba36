#include "support_toy_model.h"

#include <dlfcn.h>

#include <map>
#include <string>
#include <utility>

#include "base/step.h"
#include "common/toy_engine.h"

namespace t2i::test {

namespace {

std::string path_of(int major) {
  if (major == kRtx) return T2I_FAKE_RTX "/libtensorrt_rtx.so.1";
  return std::string(major == 10 ? T2I_FAKE_10 : T2I_FAKE_11) + "/libnvinfer.so." + std::to_string(major);
}

fake::Tensor tensor(std::string name, DataType type, Dims dims, const Batch& batch) {
  if (!dims.empty() && dims[0] == -1 && batch.is_static) dims[0] = batch.max;
  return {std::move(name), type, std::move(dims)};
}

/// The profile of an engine: batches, and for latents every size up to `largest`.
void add_profile(fake::ToyEngine& toy, const Batch& batch, int64_t largest) {
  for (const fake::Tensor& input : toy.inputs) {
    if (!input.is_dynamic()) continue;
    fake::Range range{input.dims, input.dims, input.dims};
    for (std::size_t axis = 0; axis < input.dims.size(); ++axis) {
      if (input.dims[axis] != -1) continue;
      range.min[axis] = axis == 0 ? batch.min : 1;
      range.opt[axis] = range.max[axis] = axis == 0 ? batch.max : largest;
    }
    toy.profile[input.name] = range;
  }
}

Engine make_engine(const ToyModel& model, fake::ToyEngine toy, const Batch& batch) {
  const auto library = stand_in(model.major);
  const auto& version = library->info().version;
  toy.version = version[0] * 10000 + version[1] * 100 + version[2];
  if (model.major == kRtx) toy.capabilities = {89};
  add_profile(toy, batch, model.largest);
  const std::string bytes = fake::serialize(toy);
  // As a hash is: another one for each network.
  const std::string role = std::to_string(static_cast<int>(toy.role));
  return Engine(library, {bytes.data(), bytes.size()}, {}, {model.identity.empty() ? "" : model.identity + role});
}

Engine make_text_encoder(const ToyModel& model) {
  fake::ToyEngine toy;
  toy.role = fake::Role::text_encoder;
  toy.salt = model.text_salt;
  toy.inputs = {tensor("input_ids", model.ids_type, {-1, model.context}, model.text_batch)};
  if (model.attention_mask)
    toy.inputs.push_back(tensor("mask", DataType::int32, {-1, model.context}, model.text_batch));
  if (model.pooled_output) toy.outputs = {tensor("pooled", model.encoded_type, {-1, model.width}, model.text_batch)};
  toy.outputs.push_back(
      tensor("last_hidden_state", model.encoded_type, {-1, states_of(model), model.width}, model.text_batch));
  return make_engine(model, std::move(toy), model.text_batch);
}

Engine make_unet(const ToyModel& model) {
  fake::ToyEngine toy;
  toy.role = fake::Role::unet;
  toy.salt = model.unet_salt;
  const Dims latents = {-1, model.channels, -1, -1};
  toy.inputs = {
      tensor("sample", model.unet_type, latents, model.unet_batch),
      tensor("timestep", model.timestep_type, model.timestep_dims, model.unet_batch),
      tensor("encoder_hidden_states", model.states_type, {-1, states_of(model), model.width}, model.unet_batch)};
  if (model.guidance_width > 0)
    toy.inputs.push_back(tensor("timestep_cond", model.guidance_type, {-1, model.guidance_width}, model.unet_batch));
  toy.outputs = {tensor("out_sample", model.unet_type, latents, model.unet_batch)};
  return make_engine(model, std::move(toy), model.unet_batch);
}

Engine make_decoder(const ToyModel& model) {
  fake::ToyEngine toy;
  toy.role = fake::Role::vae_decoder;
  toy.salt = model.decoder_salt;
  toy.factor = model.factor;
  toy.inputs = {tensor("latent_sample", model.decoder_type, {-1, model.channels, -1, -1}, model.decoder_batch)};
  toy.outputs = {tensor("sample", model.decoder_type, {-1, 3, -1, -1}, model.decoder_batch)};
  return make_engine(model, std::move(toy), model.decoder_batch);
}

std::vector<int32_t> random_ids(const ToyModel& model, std::mt19937& random) {
  std::vector<int32_t> ids(static_cast<std::size_t>(model.context));
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % 49408);
  return ids;
}

}  // namespace

std::shared_ptr<tensorrt::Library> stand_in(int major) {
  static const std::map<int, std::shared_ptr<tensorrt::Library>> opened = {
      {kRtx, tensorrt::Library::open(path_of(kRtx))},
      {10, tensorrt::Library::open(path_of(10))},
      {11, tensorrt::Library::open(path_of(11))}};
  return opened.at(major);
}

int stand_in_counter(int major, const char* name) {
  void* handle = dlopen(path_of(major).c_str(), RTLD_NOW | RTLD_LOCAL);
  auto* counter = reinterpret_cast<int (*)()>(dlsym(handle, name));
  return counter();
}

Engines make_engines(const ToyModel& model) {
  return {make_text_encoder(model), make_unet(model), make_decoder(model)};
}

ModelFacts facts_of(const ToyModel& model) {
  ModelFacts facts;
  facts.latent_channels = static_cast<int32_t>(model.channels);
  facts.vae_factor = static_cast<int32_t>(model.factor);
  facts.scaling_factor = model.scaling_factor;
  facts.shift_factor = model.shift_factor;
  facts.context_length = static_cast<int32_t>(model.context);
  facts.text_encoder = {"input_ids", model.attention_mask ? "mask" : "", "last_hidden_state"};
  facts.guidance_width = static_cast<int32_t>(model.guidance_width);
  const char* timestep_cond = model.guidance_width > 0 ? "timestep_cond" : "";
  facts.unet = {"sample", "timestep", "encoder_hidden_states", timestep_cond, "out_sample"};
  facts.vae_decoder = {"latent_sample", "sample"};
  return facts;
}

Pipeline make_pipeline(const ToyModel& model, bool use_graph) {
  PipelineOptions options;
  options.use_graph = use_graph;
  return Pipeline(make_engines(model), facts_of(model), options);
}

Job make_job(const ToyModel& model, int32_t images, int32_t steps, Rows rows, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const auto between = [&](float low, float high) { return std::uniform_real_distribution<float>(low, high)(random); };
  Job job;
  const Prompt prompt{random_ids(model, random), {}};
  job.prompts.assign(static_cast<std::size_t>(images), prompt);
  job.latent_height = 4;
  job.latent_width = 3;
  job.watched = true;
  job.plan.steps = steps;
  job.plan.init_scale = between(0.9f, 1.1f);
  std::size_t blocks = 1;
  for (int32_t step = 0; step < steps; ++step) {
    job.plan.timesteps.push_back(between(0.0f, 999.0f));
    // As ancestral samplers have it: fresh noise in some steps, none in the last.
    const bool fresh = rows.noise && step + 1 < steps && step % 3 != 1;
    const bool history = rows.history;
    blocks += fresh;
    for (const float k :
         {between(0.8f, 1.1f), between(-0.4f, 0.1f), between(-0.2f, 0.2f), between(0.5f, 1.0f), between(0.5f, 0.8f),
          between(0.1f, 0.4f), fresh ? between(0.1f, 0.3f) : 0.0f, history ? between(-0.2f, 0.2f) : 0.0f}) {
      job.plan.rows.push_back(k);
    }
  }
  for (int64_t i = 0; i < model.guidance_width; ++i) job.guidance_embedding.push_back(between(-1.0f, 1.0f));
  const auto size = static_cast<std::size_t>(model.channels * job.latent_height * job.latent_width);
  for (int32_t image = 0; image < images; ++image) {
    std::vector<float> noise(blocks * size);
    for (float& value : noise) value = normal(random);
    job.noise.emplace_back().own = std::move(noise);
  }
  return job;
}

Job with_guidance(Job job, float scale) {
  for (Prompt& prompt : job.prompts) {
    prompt.negative_ids = prompt.ids;
    for (int32_t& id : prompt.negative_ids) id = (id * 7 + 5) % 49408;
  }
  job.guidance_scale = scale;
  return job;
}

Job with_size(const ToyModel& model, Job job, int32_t height, int32_t width) {
  const auto plane = [&] { return static_cast<std::size_t>(model.channels * job.latent_height * job.latent_width); };
  const std::size_t blocks = job.noise.at(0).size() / plane();
  job.latent_height = height;
  job.latent_width = width;
  for (Noise& noise : job.noise) {
    std::vector<float> given(blocks * plane());
    for (std::size_t i = 0; i < given.size(); ++i) given[i] = noise.own[i % noise.own.size()];
    noise.own = std::move(given);
  }
  return job;
}

}  // namespace t2i::test
