// Whatever fails, and whenever: a typed error, nothing leaks, and the next job is right.

#include <atomic>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cuda/sim.h"
#include "support_runs.h"

namespace t2i::test {
namespace {

using cuda::sim_fail_call;
using cuda::SimFailure;

class FaultsTest : public testing::Test {
 protected:
  void SetUp() override {
    sim_fail_call(0, SimFailure::none);
    live_before_ = cuda::sim_live();
    objects_before_ = stand_in_counter(10, "fake_live_objects");
  }
  void TearDown() override {
    sim_fail_call(0, SimFailure::none);
    EXPECT_EQ(cuda::sim_live(), live_before_) << "device memory, streams, events or graphs leaked";
    EXPECT_EQ(stand_in_counter(10, "fake_live_objects"), objects_before_) << "TensorRT's objects leaked";
  }

  /// Several passes, decodings, previews, fresh noise, text in another precision than the UNet takes: every path of a
  /// job.
  static Job full_job() {
    Job job = with_guidance(make_job(full_model(), 3, 4, {true, true}));
    job.preview_every = 2;
    return job;
  }
  static ToyModel full_model() {
    ToyModel model;
    model.attention_mask = model.pooled_output = true;
    model.encoded_type = DataType::float16;
    model.decoder_batch = {1, 1};
    return model;
  }

 private:
  int64_t live_before_ = 0;
  int objects_before_ = 0;
};

class EveryFailure : public FaultsTest, public testing::WithParamInterface<SimFailure> {
 protected:
  static void expect_typed(const Outcome& failed) {
    const std::set<ErrorCode> expected =
        GetParam() == SimFailure::out_of_memory ? std::set<ErrorCode>{ErrorCode::out_of_memory}
        : GetParam() == SimFailure::sticky      ? std::set<ErrorCode>{ErrorCode::device_lost}
                                                : std::set<ErrorCode>{ErrorCode::backend_failed};
    EXPECT_EQ(expected.count(*failed.error), 1u) << code_name(*failed.error) << ": " << failed.message;
  }
};

/// Each k with a pipeline of its own, so that every allocation and the capture are among the calls.
TEST_P(EveryFailure, OfTheKthCallOfAJobIsATypedErrorAndTheNextJobIsRight) {
  const ToyModel model = full_model();
  const Job job = full_job();
  int64_t survived = 0;
  for (int64_t k = 1; survived == 0; ++k) {
    SCOPED_TRACE("call " + std::to_string(k));
    Pipeline pipeline = make_pipeline(model);
    const int64_t idle = cuda::sim_live();
    sim_fail_call(k, GetParam());
    const Outcome failed = run(pipeline, job);
    // Looks at the stream while waiting are calls too, so that their number is not the same each time.
    const bool reached = cuda::sim_calls() >= k;
    if (!reached) survived = k;
    if (failed.error) {
      expect_typed(failed);
      EXPECT_LE(cuda::sim_live(), idle) << "memory of the job that failed was kept";
    } else {
      expect_right(model, job, failed);
      EXPECT_EQ(failed.result.warnings.size(), reached ? 1u : 0u) << "a failure passed unnoticed";
    }
    if (GetParam() == SimFailure::sticky && reached) {
      EXPECT_EQ(run(pipeline, job).error, ErrorCode::device_lost) << "a lost device stays lost";
    }
    sim_fail_call(0, SimFailure::none);
    expect_right(model, job, run(pipeline, job));
    if (HasFailure()) return;
  }
  EXPECT_GT(survived, 80) << "the loop ended early";
}

/// The same while everything is allocated and captured already.
TEST_P(EveryFailure, OfTheKthCallOfALaterJobIsATypedErrorAndTheNextJobIsRight) {
  const ToyModel model = full_model();
  const Job job = full_job();
  Pipeline pipeline = make_pipeline(model);
  run(pipeline, job);
  int64_t survived = 0;
  for (int64_t k = 1; survived == 0; ++k) {
    SCOPED_TRACE("call " + std::to_string(k));
    const int64_t before = cuda::sim_live();
    sim_fail_call(k, GetParam());
    const Outcome failed = run(pipeline, job);
    const bool reached = cuda::sim_calls() >= k;
    if (!reached) survived = k;
    if (failed.error) {
      expect_typed(failed);
    } else {
      expect_right(model, job, failed);
    }
    sim_fail_call(0, SimFailure::none);
    expect_right(model, job, run(pipeline, job));
    EXPECT_EQ(cuda::sim_live(), before);
    if (HasFailure()) return;
  }
  EXPECT_GT(survived, 40) << "the loop ended early";
}

TEST_P(EveryFailure, OfTheKthCallOfOpeningIsATypedErrorAndLeavesNothing) {
  int64_t opened = 0;
  for (int64_t k = 1; opened == 0; ++k) {
    SCOPED_TRACE("call " + std::to_string(k));
    const int64_t before = cuda::sim_live();
    sim_fail_call(k, GetParam());
    try {
      const Pipeline pipeline = make_pipeline(full_model());
      opened = k;
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::internal) << error.what();
    }
    sim_fail_call(0, SimFailure::none);
    EXPECT_EQ(cuda::sim_live(), before);
  }
  EXPECT_GT(opened, 1) << "opening makes no call of the device";
}

INSTANTIATE_TEST_SUITE_P(Faults, EveryFailure,
                         testing::Values(SimFailure::out_of_memory, SimFailure::launch, SimFailure::sticky),
                         [](const auto& info) {
                           return std::string(info.param == SimFailure::out_of_memory ? "OutOfMemory"
                                              : info.param == SimFailure::launch      ? "Launch"
                                                                                      : "Sticky");
                         });

TEST_F(FaultsTest, ACaptureThatFailsIsAWarningInThatJobAlone) {
  const ToyModel model;
  const Job job = with_guidance(make_job(model, 2, 5));
  // Which call ends the capture is found by trying.
  bool found = false;
  for (int64_t k = 1; k < 100 && !found; ++k) {
    Pipeline pipeline = make_pipeline(model);
    sim_fail_call(k, SimFailure::launch);
    const Outcome drawn = run(pipeline, job);
    sim_fail_call(0, SimFailure::none);
    if (drawn.error || drawn.result.warnings.empty()) continue;
    const std::string& warning = drawn.result.warnings[0];
    EXPECT_EQ(drawn.result.warnings.size(), 1u);
    EXPECT_NE(warning.find("could not be captured as a CUDA graph"), std::string::npos) << warning;
    found = warning.find("end_capture: simulated failure") != std::string::npos;
    expect_right(model, job, drawn);

    const Outcome next = run(pipeline, job);
    expect_right(model, job, next);
    EXPECT_TRUE(next.result.warnings.empty());
    EXPECT_EQ(cuda::sim_calls_of("end_capture"), 1) << "the next job tries again";
  }
  EXPECT_TRUE(found);
}

TEST_F(FaultsTest, ARequestTooLargeForTheDeviceFailsAloneAndFreesItsMemory) {
  ToyModel model;
  model.factor = 64;
  model.decoder_batch = {1, 8};
  model.unet_batch = {1, 16};
  Job large = make_job(model, 8, 2);
  large.latent_height = large.latent_width = 64;
  for (auto& noise : large.noise) noise.own.resize(static_cast<std::size_t>(model.channels) * 64 * 64);
  const Job small = make_job(model, 1, 2);
  Pipeline pipeline = make_pipeline(model);
  const int64_t idle = cuda::sim_live();
  const Outcome failed = run(pipeline, large);
  EXPECT_EQ(failed.error, ErrorCode::out_of_memory) << failed.message;
  EXPECT_LE(cuda::sim_live(), idle);
  expect_right(model, small, run(pipeline, small));
}

TEST_F(FaultsTest, AnAbortIsFeltWithinAStepAndTheNextJobIsRight) {
  const ToyModel model;
  constexpr int32_t kSteps = 8;
  for (const bool use_graph : {true, false}) {
    Pipeline pipeline = make_pipeline(model, use_graph);
    const Job job = with_guidance(make_job(model, 2, kSteps, {true, true}));
    for (int32_t k = 1; k <= kSteps; ++k) {
      SCOPED_TRACE("step " + std::to_string(k));
      sim_fail_call(0, SimFailure::none);
      const Outcome aborted = run(pipeline, job, [&](const StepReport& report, std::atomic<bool>& cancelled) {
        if (report.step == k) cancelled = true;
      });
      ASSERT_EQ(aborted.error, ErrorCode::aborted) << aborted.message;
      const int64_t steps = cuda::sim_calls_of(use_graph ? "launch" : "launch_step");
      EXPECT_LE(steps, k + 1);
      EXPECT_LE(aborted.steps.back().step, k + 1);
      if (k < kSteps) {
        EXPECT_EQ(cuda::sim_calls_of("launch_rgb"), 0) << "decoded after the abort";
      }
      expect_right(model, job, run(pipeline, job));
    }
  }
}

TEST_F(FaultsTest, AnAbortBeforeTheStartQueuesNoNetwork) {
  const ToyModel model;
  Pipeline pipeline = make_pipeline(model);
  const Job job = make_job(model, 1, 2);
  EXPECT_EQ(run(pipeline, job, {}, true).error, ErrorCode::aborted);
  EXPECT_EQ(cuda::sim_calls_of("launch_prepare") + cuda::sim_calls_of("copy_on_device"), 0);
  expect_right(model, job, run(pipeline, job));
}

TEST_F(FaultsTest, AnAbortWhileDecodingLeavesTheRestUndone) {
  ToyModel model;
  model.decoder_batch = {1, 1};
  model.unet_batch = {1, 16};
  Job job = make_job(model, 12, 3);
  Pipeline pipeline = make_pipeline(model);
  sim_fail_call(0, SimFailure::none);
  const Outcome aborted = run(pipeline, job, [](const StepReport& report, std::atomic<bool>& cancelled) {
    if (report.step == 3) cancelled = true;
  });
  EXPECT_EQ(aborted.error, ErrorCode::aborted);
  EXPECT_LE(cuda::sim_calls_of("launch_rgb"), 2);
  expect_right(model, job, run(pipeline, job));
}

TEST_F(FaultsTest, AbortsFromAnotherThreadAtAnyTime) {
  const ToyModel model;
  Pipeline pipeline = make_pipeline(model);
  Job job = with_guidance(make_job(model, 4, 20, {true, true}));
  job.preview_every = 3;
  int aborted = 0;
  for (int i = 0; i < 60; ++i) {
    std::atomic<bool> cancelled{false};
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(40 * i));
      cancelled = true;
    });
    try {
      EXPECT_TRUE(pipeline.run(job, {cancelled, {}}).images == draw_plainly(model, job).images);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::aborted) << error.what();
      aborted++;
    }
    other.join();
  }
  EXPECT_GT(aborted, 0);
  expect_right(model, job, run(pipeline, job));
}

}  // namespace
}  // namespace t2i::test
