// The pipeline over the stand-ins for TensorRT gives the plain loop's images, bit for bit, whatever the engines look
// like.

#include "pipeline/pipeline.h"

#include <ostream>

#include "cuda/sim.h"
#include "support_failures.h"
#include "support_runs.h"

namespace t2i::test {
namespace {

struct Case {
  const char* name;
  void (*change)(ToyModel& model);
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

const Case kModels[] = {
    {"Plain", [](ToyModel&) {}},
    {"TensorRt11", [](ToyModel& model) { model.major = 11; }},
    {"TensorRtRtx", [](ToyModel& model) { model.major = kRtx; }},
    {"Float16",
     [](ToyModel& model) {
       model.unet_type = model.states_type = model.decoder_type = model.encoded_type = DataType::float16;
     }},
    {"BFloat16",
     [](ToyModel& model) {
       model.unet_type = model.states_type = model.decoder_type = model.encoded_type = DataType::bfloat16;
     }},
    {"BFloat16DecoderOfAHalfUnet",
     [](ToyModel& model) {
       model.unet_type = model.states_type = model.encoded_type = DataType::float16;
       model.decoder_type = DataType::bfloat16;
     }},
    {"BFloat16StatesForAHalfUnet",
     [](ToyModel& model) {
       model.encoded_type = DataType::bfloat16;
       model.unet_type = model.states_type = DataType::float16;
     }},
    {"BFloat16Timesteps", [](ToyModel& model) { model.timestep_type = DataType::bfloat16; }},
    {"WideStatesForAHalfUnet", [](ToyModel& model) { model.unet_type = model.states_type = DataType::float16; }},
    {"HalfStatesForAWideUnet", [](ToyModel& model) { model.encoded_type = DataType::float16; }},
    {"HalfUnetAlone", [](ToyModel& model) { model.unet_type = DataType::float16; }},
    {"Float32Timesteps", [](ToyModel& model) { model.timestep_type = DataType::float32; }},
    {"Float16Timesteps", [](ToyModel& model) { model.timestep_type = DataType::float16; }},
    {"Int32TimestepsAndIds", [](ToyModel& model) { model.timestep_type = model.ids_type = DataType::int32; }},
    {"ScalarTimestep", [](ToyModel& model) { model.timestep_dims = {}; }},
    {"TimestepForEachRow", [](ToyModel& model) { model.timestep_dims = {-1}; }},
    {"MaskAndPooledOutput", [](ToyModel& model) { model.attention_mask = model.pooled_output = true; }},
    {"MoreStatesThanIds",
     [](ToyModel& model) {
       model.states = 15;
       model.text_batch = {3, 3, true};
     }},
    {"FewerStatesThanIds", [](ToyModel& model) { model.states = 2; }},
    {"GuidanceEmbedded", [](ToyModel& model) { model.guidance_width = 7; }},
    {"GuidanceEmbeddedInHalf",
     [](ToyModel& model) {
       model.guidance_width = 6;
       model.guidance_type = model.unet_type = DataType::float16;
     }},
    {"GuidanceEmbeddedInBFloat16",
     [](ToyModel& model) {
       model.guidance_width = 6;
       model.guidance_type = model.unet_type = DataType::bfloat16;
     }},
    {"GuidanceEmbeddedStaticBatch",
     [](ToyModel& model) {
       model.guidance_width = 3;
       model.unet_batch = {2, 2, true};
     }},
    {"SixteenChannelsShifted",
     [](ToyModel& model) {
       model.channels = 16;
       model.factor = 4;
       model.scaling_factor = 0.3611f;
       model.shift_factor = 0.1159f;
     }},
    {"StaticBatchOne",
     [](ToyModel& model) { model.unet_batch = model.decoder_batch = model.text_batch = {1, 1, true}; }},
    {"DynamicBatchOne", [](ToyModel& model) { model.unet_batch = model.decoder_batch = {1, 1}; }},
    {"BatchOneTimestepForEachRow",
     [](ToyModel& model) {
       model.unet_batch = {1, 1};
       model.timestep_dims = {-1};
     }},
    {"StaticBatchThree",
     [](ToyModel& model) { model.unet_batch = model.decoder_batch = model.text_batch = {3, 3, true}; }},
    {"AtLeastThree", [](ToyModel& model) { model.unet_batch = model.decoder_batch = model.text_batch = {3, 8}; }},
    {"RoomForAll", [](ToyModel& model) { model.unet_batch = model.decoder_batch = {1, 16}; }},
};

class EveryModel : public testing::TestWithParam<std::tuple<Case, bool>> {
 protected:
  EveryModel() { std::get<0>(GetParam()).change(model_); }
  bool use_graph() const { return std::get<1>(GetParam()); }
  /// One pipeline draws them all, so each job also follows another one.
  void draw(const std::vector<Job>& jobs) {
    Pipeline pipeline = make_pipeline(model_, use_graph());
    const int warnings = stand_in_counter(model_.major, "fake_warnings");
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      SCOPED_TRACE("job " + std::to_string(i));
      const Outcome drawn = run(pipeline, jobs[i]);
      expect_right(model_, jobs[i], drawn);
      EXPECT_TRUE(drawn.result.warnings.empty()) << drawn.result.warnings[0];
    }
    EXPECT_EQ(stand_in_counter(model_.major, "fake_warnings"), warnings) << "a rule of captures was broken";
  }
  ToyModel model_;
};

TEST_P(EveryModel, DrawsOneToFiveImagesWithAndWithoutGuidance) {
  std::vector<Job> jobs;
  for (int32_t images = 1; images <= 5; ++images) {
    jobs.push_back(make_job(model_, images, 4, {}, static_cast<uint32_t>(images)));
    jobs.push_back(with_guidance(jobs.back()));
  }
  draw(jobs);
}

TEST_P(EveryModel, DrawsWithFreshNoiseHistoryAndClip) {
  std::vector<Job> jobs = {with_guidance(make_job(model_, 3, 7, {true, false})),
                           make_job(model_, 2, 5, {true, true}, 2),
                           with_guidance(make_job(model_, 3, 6, {false, true}, 3), 1.5f)};
  for (std::size_t i = 0; i < 3; ++i) {
    jobs.push_back(jobs[i]);
    jobs.back().plan.clip = 0.6f;
  }
  draw(jobs);
}

TEST_P(EveryModel, DrawsPreviews) {
  Job every = with_guidance(make_job(model_, 3, 5, {true, true}));
  every.preview_every = 1;
  Job second = make_job(model_, 5, 6, {}, 2);
  second.preview_every = 2;
  Job unwatched = every;
  unwatched.watched = false;
  draw({every, second, unwatched});
}

TEST_P(EveryModel, DrawsImagesOfPromptsOfTheirOwn) {
  std::vector<Job> jobs;
  for (int32_t images = 2; images <= 5; ++images) {
    Job job = with_guidance(make_job(model_, images, 4));
    for (std::size_t image = 0; image < job.prompts.size(); ++image) {
      Prompt& prompt = job.prompts[image];
      prompt.ids[0] = prompt.negative_ids[1] = static_cast<int32_t>(image);
    }
    jobs.push_back(job);
    for (Prompt& prompt : job.prompts) prompt.negative_ids.clear();
    job.guidance_scale.reset();
    jobs.push_back(job);
  }
  draw(jobs);
}

INSTANTIATE_TEST_SUITE_P(Pipeline, EveryModel, testing::Combine(testing::ValuesIn(kModels), testing::Bool()),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) ? "Graph" : "Stream");
                         });

class PipelineTest : public testing::Test {
 protected:
  void SetUp() override { cuda::sim_fail_call(0, cuda::SimFailure::none); }
  ToyModel model_;
};

TEST_F(PipelineTest, DrawsOneStepAndThousandSteps) {
  Pipeline pipeline = make_pipeline(model_);
  for (const int32_t steps : {1, 2, 1000, 1}) {
    const Job job = make_job(model_, 2, steps, {true, true});
    expect_right(model_, job, run(pipeline, job));
  }
}

TEST_F(PipelineTest, DrawsEverySizeInTurn) {
  Pipeline pipeline = make_pipeline(model_);
  for (const auto& [height, width] : {std::pair{4, 3}, {9, 16}, {4, 3}, {1, 1}, {33, 7}}) {
    Job job = with_guidance(make_job(model_, 2, 3));
    job.latent_height = height;
    job.latent_width = width;
    for (auto& noise : job.noise) noise.own.resize(static_cast<std::size_t>(model_.channels * height * width), 0.25f);
    for (auto& noise : job.noise) noise.own.back() = -0.75f;
    expect_right(model_, job, run(pipeline, job));
  }
}

TEST_F(PipelineTest, RemembersMorePromptsThanItKeeps) {
  Pipeline pipeline = make_pipeline(model_);
  for (int round = 0; round < 2; ++round) {
    for (uint32_t seed = 1; seed <= 20; ++seed) {
      const Job job = with_guidance(make_job(model_, 1, 2, {}, seed));
      expect_right(model_, job, run(pipeline, job));
    }
  }
}

TEST_F(PipelineTest, EncodesAsManyPromptsAsAJobHas) {
  model_.attention_mask = true;
  model_.unet_batch = model_.decoder_batch = {1, 64};
  Pipeline pipeline = make_pipeline(model_);
  expect_right(model_, make_job(model_, 1, 2), run(pipeline, make_job(model_, 1, 2)));
  Job job = with_guidance(make_job(model_, 24, 2));
  for (std::size_t image = 0; image < job.prompts.size(); ++image) {
    job.prompts[image].ids[1] = job.prompts[image].negative_ids[2] = static_cast<int32_t>(image);
  }
  for (int round = 0; round < 2; ++round) expect_right(model_, job, run(pipeline, job));
}

TEST_F(PipelineTest, TellsTheTime) {
  Pipeline pipeline = make_pipeline(model_);
  Job job = with_guidance(make_job(model_, 3, 6));
  job.preview_every = 2;
  const Timings times = run(pipeline, job).result.timings;
  EXPECT_GT(times.text_encoder, 0);
  EXPECT_GT(times.unet, 0);
  EXPECT_GT(times.vae_decoder, 0);
  EXPECT_NEAR(times.text_encoder + times.unet + times.vae_decoder, times.total, 1e-3);
}

TEST_F(PipelineTest, RefusesASizeOutsideTheProfileAndGoesOn) {
  Pipeline pipeline = make_pipeline(model_);
  Job large = make_job(model_, 1, 2);
  large.latent_height = static_cast<int32_t>(model_.largest + 1);
  large.noise[0].own.resize(static_cast<std::size_t>(model_.channels * large.latent_height * large.latent_width));
  const Outcome refused = run(pipeline, large);
  EXPECT_EQ(refused.error, ErrorCode::backend_failed);
  EXPECT_NE(refused.message.find("65"), std::string::npos) << refused.message;
  const Job job = make_job(model_, 1, 2);
  expect_right(model_, job, run(pipeline, job));
}

TEST_F(PipelineTest, RefusesAJobThatContradictsItself) {
  Pipeline pipeline = make_pipeline(model_);
  const auto change = [&](void (*change)(Job&)) {
    Job job = with_guidance(make_job(model_, 2, 3, {true, true}));
    change(job);
    const Outcome refused = run(pipeline, job);
    EXPECT_EQ(refused.error, ErrorCode::internal) << refused.message;
  };
  change([](Job& job) { job.plan.steps = 4; });
  change([](Job& job) { job.plan.rows.pop_back(); });
  change([](Job& job) { job.plan.timesteps.clear(); });
  change([](Job& job) { job.noise[1].own.pop_back(); });
  change([](Job& job) { job.noise.clear(); });
  change([](Job& job) { job.prompts[1].ids.push_back(0); });
  change([](Job& job) { job.prompts[1].negative_ids.clear(); });
  change([](Job& job) { job.guidance_scale.reset(); });
  change([](Job& job) { job.prompts.pop_back(); });
  change([](Job& job) { job.latent_width = 0; });
}

TEST_F(PipelineTest, RefusesImagesWithNaN) {
  const StandInFails failing("nan");
  Pipeline pipeline = make_pipeline(model_);
  for (const int32_t images : {1, 3}) {
    const Outcome refused = run(pipeline, make_job(model_, images, 2));
    EXPECT_EQ(refused.error, ErrorCode::backend_failed);
    EXPECT_NE(refused.message.find("NaN values"), std::string::npos) << refused.message;
  }
}

TEST_F(PipelineTest, ANetworkThatCannotBeQueuedIsTensorRtsError) {
  const StandInFails failing("enqueue-false");
  Pipeline pipeline = make_pipeline(model_);
  const Outcome refused = run(pipeline, make_job(model_, 1, 2));
  EXPECT_EQ(refused.error, ErrorCode::backend_failed);
  EXPECT_NE(refused.message.find("told to fail"), std::string::npos) << refused.message;
}

}  // namespace
}  // namespace t2i::test
