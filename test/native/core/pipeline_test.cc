// The pipeline over the stand-ins for TensorRT gives the plain loop's pictures, bit for bit, whatever the engines look like.

#include "pipeline.h"

#include <cstdlib>
#include <ostream>

#include "cuda/sim.h"
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
    {"Float16", [](ToyModel& model) {
       model.unet_type = model.states_type = model.decoder_type = model.encoded_type = DataType::float16;
     }},
    {"WideStatesForAHalfUnet", [](ToyModel& model) { model.unet_type = model.states_type = DataType::float16; }},
    {"HalfStatesForAWideUnet", [](ToyModel& model) { model.encoded_type = DataType::float16; }},
    {"HalfUnetAlone", [](ToyModel& model) { model.unet_type = DataType::float16; }},
    {"Float32Timesteps", [](ToyModel& model) { model.timestep_type = DataType::float32; }},
    {"Float16Timesteps", [](ToyModel& model) { model.timestep_type = DataType::float16; }},
    {"Int32TimestepsAndIds", [](ToyModel& model) { model.timestep_type = model.ids_type = DataType::int32; }},
    {"ScalarTimestep", [](ToyModel& model) { model.timestep_dims = {}; }},
    {"TimestepForEachRow", [](ToyModel& model) { model.timestep_dims = {-1}; }},
    {"MaskAndPooledOutput", [](ToyModel& model) { model.attention_mask = model.pooled_output = true; }},
    {"SixteenChannelsShifted", [](ToyModel& model) {
       model.channels = 16;
       model.factor = 4;
       model.scaling_factor = 0.3611f;
       model.shift_factor = 0.1159f;
     }},
    {"StaticBatchOne", [](ToyModel& model) { model.unet_batch = model.decoder_batch = model.text_batch = {1, 1, true}; }},
    {"DynamicBatchOne", [](ToyModel& model) { model.unet_batch = model.decoder_batch = {1, 1}; }},
    {"BatchOneTimestepForEachRow", [](ToyModel& model) {
       model.unet_batch = {1, 1};
       model.timestep_dims = {-1};
     }},
    {"StaticBatchThree", [](ToyModel& model) { model.unet_batch = model.decoder_batch = model.text_batch = {3, 3, true}; }},
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

TEST_P(EveryModel, DrawsOneToFivePicturesWithAndWithoutGuidance) {
  std::vector<Job> jobs;
  for (int32_t images = 1; images <= 5; ++images) {
    jobs.push_back(make_job(model_, images, 4, {}, static_cast<uint32_t>(images)));
    jobs.push_back(with_guidance(jobs.back()));
  }
  draw(jobs);
}

TEST_P(EveryModel, DrawsWithFreshNoiseHistoryAndClip) {
  std::vector<Job> jobs = {with_guidance(make_job(model_, 3, 7, {true, false})), make_job(model_, 2, 5, {true, true}, 2),
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

INSTANTIATE_TEST_SUITE_P(Pipeline, EveryModel, testing::Combine(testing::ValuesIn(kModels), testing::Bool()),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) + (std::get<1>(info.param) ? "Graph" : "Stream");
                         });

class PipelineTest : public testing::Test {
 protected:
  void SetUp() override { cuda::sim_fail_call(0, cuda::SimFailure::none); }
  ToyModel model_;
};

TEST_F(PipelineTest, GuidanceOfOneAndBelowIgnoresTheNegativePrompt) {
  Pipeline pipeline = make_pipeline(model_);
  const Job plain = make_job(model_, 2, 3);
  for (const float scale : {1.0f, 0.5f, 0.0f}) {
    const Outcome drawn = run(pipeline, with_guidance(plain, scale));
    expect_right(model_, with_guidance(plain, scale), drawn);
    EXPECT_TRUE(drawn.result.images == run(pipeline, plain).result.images);
  }
}

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
    for (auto& noise : job.noise) noise.resize(static_cast<std::size_t>(model_.channels * height * width), 0.25f);
    for (auto& noise : job.noise) noise.back() = -0.75f;
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

TEST_F(PipelineTest, EncodesAPromptOnceWhileItIsKept) {
  model_.attention_mask = true;
  Pipeline pipeline = make_pipeline(model_, false);
  const auto uploads = [&](uint32_t seed) {
    cuda::sim_fail_call(0, cuda::SimFailure::none);
    run(pipeline, with_guidance(make_job(model_, 1, 2, {}, seed)));
    return cuda::sim_calls_of("copy_to_device");
  };
  const int64_t both_new = uploads(1);
  EXPECT_EQ(uploads(1), both_new - 4) << "ids and mask of two prompts";
  for (uint32_t seed = 2; seed <= 8; ++seed) EXPECT_EQ(uploads(seed), both_new);
  EXPECT_EQ(uploads(1), both_new - 4) << "the last of 16 that are kept";
  for (uint32_t seed = 9; seed <= 15; ++seed) EXPECT_EQ(uploads(seed), both_new);
  EXPECT_EQ(uploads(1), both_new - 4) << "used in between, so still kept";
  EXPECT_EQ(uploads(2), both_new) << "long forgotten";
}

TEST_F(PipelineTest, CapturesOnceForAShape) {
  Pipeline pipeline = make_pipeline(model_);
  const auto captures = [&](Job job) {
    const int64_t before = cuda::sim_calls_of("end_capture");
    expect_right(model_, job, run(pipeline, job));
    return cuda::sim_calls_of("end_capture") - before;
  };
  const Job job = with_guidance(make_job(model_, 2, 5, {true, false}));
  EXPECT_EQ(captures(job), 1);
  EXPECT_EQ(captures(job), 0);
  EXPECT_EQ(captures(with_guidance(make_job(model_, 2, 5, {true, false}, 9), 2.25f)), 0) << "another prompt, plan and scale";
  EXPECT_EQ(captures(with_guidance(make_job(model_, 2, 3))), 0) << "fewer steps, no noise";
  Job clipped = job;
  clipped.plan.clip = 0.5f;
  EXPECT_EQ(captures(clipped), 0);
  EXPECT_EQ(captures(make_job(model_, 2, 5)), 1) << "without guidance";
  EXPECT_EQ(captures(make_job(model_, 3, 5)), 1) << "another number of pictures";
  EXPECT_EQ(captures(make_job(model_, 3, 5)), 0);
  EXPECT_EQ(captures(make_job(model_, 8, 5)), 1) << "two passes of four";
  EXPECT_EQ(captures(make_job(model_, 5, 5)), 2) << "passes of three and two";
  EXPECT_EQ(captures(make_job(model_, 3, 300)), 1) << "a longer plan than there was room for";
}

TEST_F(PipelineTest, AStepOfACapturedJobIsOneLaunch) {
  Pipeline pipeline = make_pipeline(model_);
  run(pipeline, make_job(model_, 2, 5));
  cuda::sim_fail_call(0, cuda::SimFailure::none);
  run(pipeline, make_job(model_, 2, 40));
  EXPECT_EQ(cuda::sim_calls_of("launch"), 40);
  EXPECT_EQ(cuda::sim_calls_of("launch_prepare"), 0);
  EXPECT_EQ(cuda::sim_calls_of("launch_step"), 0);
  EXPECT_EQ(cuda::sim_calls_of("allocate"), 0);
  EXPECT_EQ(cuda::sim_calls_of("allocate_pinned"), 0);
  EXPECT_EQ(cuda::sim_calls_of("copy_to_host"), 1) << "one copy for all pictures of a decoding";
}

TEST_F(PipelineTest, StaysAtMostTwoStepsAhead) {
  Pipeline pipeline = make_pipeline(model_, false);
  Job job = make_job(model_, 1, 40);
  job.latent_height = job.latent_width = 48;
  job.noise[0].resize(static_cast<std::size_t>(model_.channels) * 48 * 48, 0.5f);
  int64_t furthest = 0;
  cuda::sim_fail_call(0, cuda::SimFailure::none);
  const Outcome drawn = run(pipeline, job, [&](const StepReport& report, std::atomic<bool>&) {
    furthest = std::max(furthest, cuda::sim_calls_of("launch_step") - report.step);
  });
  expect_right(model_, job, drawn);
  EXPECT_EQ(furthest, 1) << "a step is reported while the next is on the device, and no further one is queued";
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
  large.noise[0].resize(static_cast<std::size_t>(model_.channels * large.latent_height * large.latent_width));
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
  change([](Job& job) { job.noise[1].pop_back(); });
  change([](Job& job) { job.noise.clear(); });
  change([](Job& job) { job.prompt_ids.push_back(0); });
  change([](Job& job) { job.negative_ids->clear(); });
  change([](Job& job) { job.latent_width = 0; });
}

TEST_F(PipelineTest, SaysEveryMismatchOfEnginesAndModelAtOnce) {
  ModelFacts facts = facts_of(model_);
  facts.latent_channels = 16;
  facts.context_length = 77;
  facts.unet.timestep = "t";
  std::swap(facts.vae_decoder.image, facts.vae_decoder.latents);
  try {
    const Pipeline pipeline(make_engines(model_), facts, {});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::engine_invalid);
    const std::string message = error.what();
    for (const char* part :
         {"text encoder: input_ids: expected an input ?x77 of int32 or int64, received an input ?x6 of int64",
          "text encoder: last_hidden_state: expected an output ?x77x?", "UNet: sample: expected an input ?x16x?x? of float32 or float16",
          "UNet: t: expected an input scalar or ?", "received no tensor of that name", "UNet: encoder_hidden_states: expected",
          "UNet: timestep: expected no further input", "VAE decoder: sample: expected an input"}) {
      EXPECT_NE(message.find(part), std::string::npos) << part << "\nin " << message;
    }
  }
}

TEST_F(PipelineTest, RefusesADecoderOfAnotherFactor) {
  ModelFacts facts = facts_of(model_);
  facts.vae_factor = 8;
  Pipeline pipeline(make_engines(model_), facts, {});
  const Outcome refused = run(pipeline, make_job(model_, 1, 2));
  EXPECT_EQ(refused.error, ErrorCode::engine_invalid) << refused.message;
}

/// Lets the stand-ins fail while it lives; objects made meanwhile remember it.
class Failing {
 public:
  explicit Failing(const char* how) { setenv("T2I_FAKE_TENSORRT", how, 1); }
  ~Failing() { unsetenv("T2I_FAKE_TENSORRT"); }
};

TEST_F(PipelineTest, RefusesPicturesWithNaN) {
  const Failing failing("nan");
  Pipeline pipeline = make_pipeline(model_);
  for (const int32_t images : {1, 3}) {
    const Outcome refused = run(pipeline, make_job(model_, images, 2));
    EXPECT_EQ(refused.error, ErrorCode::backend_failed);
    EXPECT_NE(refused.message.find("no numbers (NaN)"), std::string::npos) << refused.message;
  }
}

TEST_F(PipelineTest, ANetworkThatCannotBeQueuedIsTensorRtsError) {
  const Failing failing("enqueue-false");
  Pipeline pipeline = make_pipeline(model_);
  const Outcome refused = run(pipeline, make_job(model_, 1, 2));
  EXPECT_EQ(refused.error, ErrorCode::backend_failed);
  EXPECT_NE(refused.message.find("told to fail"), std::string::npos) << refused.message;
}

}  // namespace
}  // namespace t2i::test
