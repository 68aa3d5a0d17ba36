// What the pipeline asks of the device for a job: how seldom it captures, encodes and allocates, and how far ahead it
// queues.

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>

#include "cuda/sim.h"
#include "support_failures.h"
#include "support_runs.h"

namespace t2i::test {
namespace {

class FusedLoop : public testing::Test {
 protected:
  void SetUp() override { cuda::sim_fail_call(0, cuda::SimFailure::none); }
  ToyModel model_;
};

TEST_F(FusedLoop, CapturesOnceForAShape) {
  Pipeline pipeline = make_pipeline(model_);
  const auto captures = [&](Job job) {
    const int64_t before = cuda::sim_calls_of("end_capture");
    expect_right(model_, job, run(pipeline, job));
    return cuda::sim_calls_of("end_capture") - before;
  };
  const Job job = with_guidance(make_job(model_, 2, 5, {true, false}));
  EXPECT_EQ(captures(job), 1);
  EXPECT_EQ(captures(job), 0);
  EXPECT_EQ(captures(with_guidance(make_job(model_, 2, 5, {true, false}, 9), 2.25f)), 0)
      << "another prompt, plan and scale";
  EXPECT_EQ(captures(with_guidance(make_job(model_, 2, 3))), 0) << "fewer steps, no noise";
  Job clipped = job;
  clipped.plan.clip = 0.5f;
  EXPECT_EQ(captures(clipped), 0);
  EXPECT_EQ(captures(with_guidance(make_job(model_, 2, 100, {true, false}))), 0) << "noise for many more steps";
  EXPECT_EQ(captures(make_job(model_, 2, 5)), 1) << "without guidance";
  EXPECT_EQ(captures(make_job(model_, 3, 5)), 1) << "another number of images";
  EXPECT_EQ(captures(make_job(model_, 3, 5)), 0);
  EXPECT_EQ(captures(make_job(model_, 8, 5)), 1) << "two passes of four";
  EXPECT_EQ(captures(make_job(model_, 5, 5, {true, false})), 1) << "two passes of three, the second of them padded";
  EXPECT_EQ(captures(make_job(model_, 3, 300)), 1) << "a longer plan than there was room for";
}

/// Jobs that each have a shape of their own, the one with the largest memory first.
std::vector<Job> jobs_of_shapes(const ToyModel& model, std::size_t count) {
  const std::vector<Job> jobs = {
      with_size(model, with_guidance(make_job(model, 4, 5)), 9, 8), with_guidance(make_job(model, 4, 5, {}, 2)),
      with_size(model, make_job(model, 1, 4, {}, 3), 9, 8),         make_job(model, 2, 6, {}, 4),
      with_size(model, make_job(model, 1, 4, {}, 5), 2, 2),
  };
  return {jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(count)};
}

/// One pipeline draws jobs, and captures as often as is said.
class CapturesOf : public FusedLoop {
 protected:
  void expect_captures(const std::vector<std::pair<Job, int64_t>>& expected) {
    const int warnings = stand_in_counter(model_.major, "fake_warnings");
    {
      Pipeline pipeline = make_pipeline(model_);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        SCOPED_TRACE("job " + std::to_string(i));
        cuda::sim_fail_call(0, cuda::SimFailure::none);
        expect_right(model_, expected[i].first, run(pipeline, expected[i].first));
        EXPECT_EQ(cuda::sim_calls_of("end_capture"), expected[i].second);
      }
    }
    EXPECT_EQ(stand_in_counter(model_.major, "fake_warnings"), warnings) << "a graph was replayed that was stale";
  }
};

TEST_F(CapturesOf, FourShapesThatTakeTurnsAreOneEach) {
  for (const int major : {10, 11, kRtx}) {
    model_.major = major;
    std::vector<std::pair<Job, int64_t>> expected;
    for (const Job& job : jobs_of_shapes(model_, 4)) expected.push_back({job, 1});
    for (int round = 0; round < 2; ++round) {
      for (const Job& job : jobs_of_shapes(model_, 4)) expected.push_back({job, 0});
    }
    expect_captures(expected);
  }
}

TEST_F(CapturesOf, AFifthShapeTakesThePlaceOfTheOneThatWasNotUsedForLongest) {
  const std::vector<Job> jobs = jobs_of_shapes(model_, 5);
  expect_captures({{jobs[0], 1},
                   {jobs[1], 1},
                   {jobs[2], 1},
                   {jobs[3], 1},
                   {jobs[0], 0},
                   {jobs[4], 1},
                   {jobs[0], 0},
                   {jobs[2], 0},
                   {jobs[3], 0},
                   {jobs[1], 1},
                   {jobs[4], 1}});
}

TEST_F(CapturesOf, AShapeThatMovesTheMemoryIsOnceMoreForThoseBefore) {
  const std::vector<Job> jobs = jobs_of_shapes(model_, 2);
  expect_captures({{jobs[1], 1}, {jobs[0], 1}, {jobs[1], 1}, {jobs[0], 0}, {jobs[1], 0}});
}

TEST_F(FusedLoop, ItsGraphsEndWithIt) {
  const int64_t live = cuda::sim_live();
  const int objects = stand_in_counter(model_.major, "fake_live_objects");
  {
    Pipeline pipeline = make_pipeline(model_);
    for (const Job& job : jobs_of_shapes(model_, 5)) run(pipeline, job);
    EXPECT_EQ(stand_in_counter(model_.major, "fake_live_objects"), objects + 3 * 2 + 2 + 4)
        << "runtime and engine of each network, a context of two, and four of the UNet";
  }
  EXPECT_EQ(cuda::sim_live(), live);
  EXPECT_EQ(stand_in_counter(model_.major, "fake_live_objects"), objects);
}

/// The first context is the only one.
TEST_F(FusedLoop, WithoutMemoryForAnotherContextOneServesEveryShape) {
  Pipeline pipeline = make_pipeline(model_);
  const StandInFails none("null-context");
  for (int round = 0; round < 2; ++round) {
    for (const Job& job : jobs_of_shapes(model_, 3)) {
      cuda::sim_fail_call(0, cuda::SimFailure::none);
      expect_right(model_, job, run(pipeline, job));
      EXPECT_EQ(cuda::sim_calls_of("end_capture"), 1);
    }
  }
}

TEST_F(FusedLoop, CapturesOnlyWhatIsReplayed) {
  for (const auto& [images, steps, captures] : {std::tuple{4, 1, 0}, {5, 1, 1}, {1, 2, 1}}) {
    SCOPED_TRACE(std::to_string(images) + " images of " + std::to_string(steps) + " steps");
    Pipeline pipeline = make_pipeline(model_);
    const Job job = make_job(model_, images, steps);
    cuda::sim_fail_call(0, cuda::SimFailure::none);
    expect_right(model_, job, run(pipeline, job));
    EXPECT_EQ(cuda::sim_calls_of("end_capture"), captures);
    EXPECT_EQ(cuda::sim_calls_of("launch"), captures) << "the last step replays";
  }
}

TEST_F(FusedLoop, CapturesNoFallbackKernelsOfTensorRtRtx) {
  model_.major = kRtx;
  Pipeline pipeline = make_pipeline(model_);
  const int before = stand_in_counter(kRtx, "fake_fallbacks");
  for (const int32_t images : {1, 2, 1}) {
    const Job job = with_guidance(make_job(model_, images, 6));
    expect_right(model_, job, run(pipeline, job));
  }
  EXPECT_EQ(stand_in_counter(kRtx, "fake_fallbacks"), before);
}

TEST_F(FusedLoop, ItsNetworksWorkInOneBlockOfMemory) {
  Pipeline pipeline = make_pipeline(model_);
  // The largest first; every prompt is new, so that each network runs.
  run(pipeline, make_job(model_, 5, 3));
  for (const uint32_t seed : {2, 3}) {
    const Job job = make_job(model_, static_cast<int32_t>(seed), 3, {}, seed);
    expect_right(model_, job, run(pipeline, job));
    EXPECT_EQ(stand_in_counter(model_.major, "fake_activation_blocks"), 1);
  }
}

TEST_F(FusedLoop, CapturesNothingWhereTensorRtRtxSaysThatItCannotBe) {
  model_.major = kRtx;
  const StandInFails forbids("not-capturable");
  Pipeline pipeline = make_pipeline(model_);
  const Job job = make_job(model_, 1, 6);
  cuda::sim_fail_call(0, cuda::SimFailure::none);
  expect_right(model_, job, run(pipeline, job));
  EXPECT_EQ(cuda::sim_calls_of("begin_capture"), 0);
}

/// Each pair differs in one thing that the captured step holds.
TEST_F(FusedLoop, NeverReplaysAStepThatIsStale) {
  // So that the number of rows stays the same while images and conditions change.
  model_.unet_batch = {4, 8};
  model_.guidance_width = 3;
  const Rows noise = {true, false};
  const Job job = make_job(model_, 1, 4), noisy = make_job(model_, 1, 4, noise);
  const struct {
    const char* what;
    Job before, after;
  } pairs[] = {
      {"guidance comes", job, with_guidance(job)},
      {"guidance goes", with_guidance(job), job},
      {"more images", noisy, make_job(model_, 2, 4, noise)},
      {"fewer images", make_job(model_, 2, 4, noise), noisy},
      {"larger latents", noisy, with_size(model_, noisy, 6, 5)},
      {"smaller latents", noisy, with_size(model_, noisy, 2, 2)},
      {"latents of another form", job, with_size(model_, job, 3, 4)},
      {"more steps than there was memory for", job, make_job(model_, 1, 300)},
  };
  for (const auto& [what, before, after] : pairs) {
    SCOPED_TRACE(what);
    Pipeline pipeline = make_pipeline(model_);
    expect_right(model_, before, run(pipeline, before));
    cuda::sim_fail_call(0, cuda::SimFailure::none);
    expect_right(model_, after, run(pipeline, after));
    EXPECT_EQ(cuda::sim_calls_of("end_capture"), 1) << "captured again, once";
  }
}

TEST_F(FusedLoop, ReplaysAStepWithWhatAJobBrings) {
  model_.guidance_width = 3;
  const Job job = with_guidance(make_job(model_, 2, 4, {true, true}));
  const Job another = with_guidance(make_job(model_, 2, 4, {true, true}, 2));
  const auto change = [&](const std::function<void(Job&)>& change) {
    Job changed = job;
    change(changed);
    return changed;
  };
  const std::vector<std::pair<const char*, Job>> others = {
      {"scale", change([](Job& job) { job.guidance_scale = 1.75f; })},
      {"clamp", change([](Job& job) { job.plan.clip = 0.4f; })},
      {"rows", change([&](Job& job) { job.plan = another.plan; })},
      {"guidance embedding", change([&](Job& job) { job.guidance_embedding = another.guidance_embedding; })},
      {"prompt", change([&](Job& job) { job.prompts[1].ids = another.prompts[1].ids; })},
      {"negative prompt", change([&](Job& job) { job.prompts[0].negative_ids = another.prompts[0].negative_ids; })},
      {"noise", change([&](Job& job) { job.noise = another.noise; })},
  };
  Pipeline pipeline = make_pipeline(model_);
  expect_right(model_, job, run(pipeline, job));
  cuda::sim_fail_call(0, cuda::SimFailure::none);
  for (const auto& [what, other] : others) {
    SCOPED_TRACE(what);
    expect_right(model_, other, run(pipeline, other));
    expect_right(model_, job, run(pipeline, job));
    EXPECT_FALSE(draw_plainly(model_, other).images == draw_plainly(model_, job).images) << "it makes no difference";
  }
  EXPECT_EQ(cuda::sim_calls_of("end_capture"), 0);
}

TEST_F(FusedLoop, AStepOfACapturedJobIsOneLaunch) {
  Pipeline pipeline = make_pipeline(model_);
  run(pipeline, make_job(model_, 2, 5));
  cuda::sim_fail_call(0, cuda::SimFailure::none);
  run(pipeline, make_job(model_, 2, 40));
  EXPECT_EQ(cuda::sim_calls_of("launch"), 40);
  EXPECT_EQ(cuda::sim_calls_of("launch_prepare"), 0);
  EXPECT_EQ(cuda::sim_calls_of("launch_step"), 0);
  EXPECT_EQ(cuda::sim_calls_of("allocate"), 0);
  EXPECT_EQ(cuda::sim_calls_of("allocate_pinned"), 0);
  EXPECT_EQ(cuda::sim_calls_of("record"), 5) << "the stages' times and the decoding, nothing for each step";
  EXPECT_EQ(cuda::sim_calls_of("copy_to_host"), 1) << "one copy for all images of a decoding";
}

TEST_F(FusedLoop, StaysAtMostTwoStepsAhead) {
  Pipeline pipeline = make_pipeline(model_, false);
  const Job job = with_size(model_, make_job(model_, 1, 40), 48, 48);
  int64_t furthest = 0;
  cuda::sim_fail_call(0, cuda::SimFailure::none);
  const Outcome drawn = run(pipeline, job, [&](const StepReport& report, std::atomic<bool>&) {
    furthest = std::max(furthest, cuda::sim_calls_of("launch_step") - report.step);
  });
  expect_right(model_, job, drawn);
  EXPECT_EQ(furthest, 1) << "a step is reported while the next is on the device, and no further one is queued";
}

TEST_F(FusedLoop, EncodesAPromptOnceWhileItIsKept) {
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

}  // namespace
}  // namespace t2i::test
