#include "pipeline/engine_fit.h"

#include <string>
#include <utility>

#include "support_failures.h"
#include "support_runs.h"

namespace t2i::test {
namespace {

/// What is said about engines that do not fit.
std::string complaint(const Engines& engines, const ModelFacts& facts) {
  const Error error = error_of([&] { require_fit(engines, facts); });
  EXPECT_EQ(error.code(), ErrorCode::engine_invalid);
  EXPECT_NE(error.hint().find("t2i build-engine"), std::string::npos);
  return error.what();
}

void expect_part(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << part << "\nis not in\n" << message;
}

TEST(EngineFit, SaysEveryMismatchAtOnce) {
  const ToyModel model;
  ModelFacts facts = facts_of(model);
  facts.latent_channels = 16;
  facts.context_length = 77;
  facts.unet.timestep = "t";
  std::swap(facts.vae_decoder.image, facts.vae_decoder.latents);
  const std::string message = complaint(make_engines(model), facts);
  for (const char* part :
       {"text encoder: input_ids: expected an input ?x77 of int32 or int64, received an input ?x6 of int64",
        "UNet: sample: expected an input ?x16x?x? of float32 or float16 or bfloat16, received an input ?x4x?x? of "
        "float32",
        "UNet: t: expected an input scalar or ? of float32 or float16 or bfloat16 or int32 or int64, received no "
        "tensor of that "
        "name",
        "UNet: out_sample: expected an output ?x16x?x?",
        "UNet: timestep: expected no further input, received an input 1 of int64",
        "VAE decoder: sample: expected an input ?x16x?x? of float32 or float16 or bfloat16, received an output ?x3x?x? "
        "of float32",
        "VAE decoder: latent_sample: expected an output ?x3x?x?"}) {
    expect_part(message, part);
  }
}

TEST(EngineFit, RefusesElementTypesThatItCannotFeed) {
  ToyModel model;
  model.unet_type = DataType::fp8;
  model.timestep_type = DataType::boolean;
  const std::string message = complaint(make_engines(model), facts_of(model));
  expect_part(
      message,
      "UNet: sample: expected an input ?x4x?x? of float32 or float16 or bfloat16, received an input ?x4x?x? of fp8");
  expect_part(
      message,
      "UNet: timestep: expected an input scalar or ? of float32 or float16 or bfloat16 or int32 or int64, received an "
      "input 1 of bool");
}

TEST(EngineFit, TakesBFloat16WhereFloat16IsTaken) {
  ToyModel model;
  model.encoded_type = model.unet_type = model.states_type = model.timestep_type = DataType::bfloat16;
  model.guidance_width = 8;
  model.guidance_type = model.decoder_type = DataType::bfloat16;
  require_fit(make_engines(model), facts_of(model));
}

TEST(EngineFit, RefusesATextEncoderOfAnotherWidth) {
  ToyModel model, wider;
  wider.width = 9;
  Engines engines = make_engines(model);
  engines.text_encoder = std::move(make_engines(wider).text_encoder);
  const std::string message = complaint(engines, facts_of(model));
  expect_part(message,
              "UNet: encoder_hidden_states: expected an input ?x6x9 of float32 or float16 or bfloat16, received an "
              "input ?x6x5");
}

TEST(EngineFit, RefusesATextEncoderWithAnotherNumberOfStates) {
  ToyModel model, more;
  more.states = 30;
  Engines engines = make_engines(model);
  engines.text_encoder = std::move(make_engines(more).text_encoder);
  expect_part(complaint(engines, facts_of(model)),
              "UNet: encoder_hidden_states: expected an input ?x30x5 of float32 or float16 or bfloat16, received an "
              "input ?x6x5");
}

TEST(EngineFit, RefusesAGuidanceEmbeddingOfAnotherWidth) {
  ToyModel model;
  model.guidance_width = 8;
  ModelFacts facts = facts_of(model);
  require_fit(make_engines(model), facts);
  facts.guidance_width = 9;
  expect_part(complaint(make_engines(model), facts),
              "UNet: timestep_cond: expected an input ?x9 of float32 or float16 or bfloat16");
}

TEST(EngineFit, RefusesInputsThatNobodyFeeds) {
  ToyModel model;
  model.attention_mask = true;
  const Engines engines = make_engines(model);
  require_fit(engines, facts_of(model));
  ModelFacts facts = facts_of(model);
  facts.text_encoder.attention_mask.clear();
  expect_part(complaint(engines, facts),
              "text encoder: mask: expected no further input, received an input ?x6 of int32");
}

TEST(EngineFit, ADecoderOfAnotherFactorShowsInTheFirstJob) {
  const ToyModel model;
  ModelFacts facts = facts_of(model);
  facts.vae_factor = 8;
  Pipeline pipeline(make_engines(model), facts, {});
  const Outcome refused = run(pipeline, make_job(model, 1, 2));
  EXPECT_EQ(refused.error, ErrorCode::engine_invalid);
  expect_part(refused.message, "expected shape 1x3x32x24, received 1x3x8x6");
}

}  // namespace
}  // namespace t2i::test
