// Pipelines come and go, and work side by side.

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "cuda/sim.h"
#include "support_runs.h"

namespace t2i::test {
namespace {

TEST(Lifecycle, AThousandPipelinesLeaveNothing) {
  cuda::sim_fail_call(0, cuda::SimFailure::none);
  ToyModel model;
  model.pooled_output = true;
  const Job job = with_guidance(make_job(model, 2, 3));
  const int64_t live = cuda::sim_live();
  const int objects = stand_in_counter(10, "fake_live_objects"), warnings = stand_in_counter(10, "fake_warnings");
  for (int i = 0; i < 1000; ++i) {
    Pipeline pipeline = make_pipeline(model);
    ASSERT_FALSE(run(pipeline, job).error.has_value());
  }
  EXPECT_EQ(cuda::sim_live(), live);
  EXPECT_EQ(stand_in_counter(10, "fake_live_objects"), objects);
  EXPECT_EQ(stand_in_counter(10, "fake_warnings"), warnings) << "a graph outlived its context";
}

TEST(Lifecycle, AThousandJobsTakeNoFurtherMemory) {
  const ToyModel model;
  Pipeline pipeline = make_pipeline(model);
  std::vector<Job> jobs;
  for (const int32_t images : {1, 4, 2, 5}) jobs.push_back(with_guidance(make_job(model, images, 3, {true, true})));
  // In the second round those are captured again whose memory a larger one moved.
  for (int round = 0; round < 2; ++round) {
    for (const Job& job : jobs) run(pipeline, job);
  }
  const int64_t live = cuda::sim_live();
  cuda::sim_fail_call(0, cuda::SimFailure::none);
  for (int i = 0; i < 1000; ++i)
    ASSERT_FALSE(run(pipeline, jobs[static_cast<std::size_t>(i) % jobs.size()]).error.has_value());
  EXPECT_EQ(cuda::sim_calls_of("allocate") + cuda::sim_calls_of("allocate_pinned") + cuda::sim_calls_of("create_event"),
            0);
  EXPECT_EQ(cuda::sim_live(), live);
}

TEST(Lifecycle, TwoPipelinesWorkAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (const int major : {10, 11}) {
    threads.emplace_back([major, &wrong] {
      ToyModel model;
      model.major = major;
      model.unet_salt = major;
      Job job = with_guidance(make_job(model, 3, 6, {true, true}, static_cast<uint32_t>(major)));
      job.preview_every = 2;
      const Reference reference = draw_plainly(model, job);
      Pipeline pipeline = make_pipeline(model);
      for (int i = 0; i < 50; ++i) wrong += !(run(pipeline, job).result.images == reference.images);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Lifecycle, APipelineMayMoveToAnotherThreadBetweenJobs) {
  const ToyModel model;
  const Job job = make_job(model, 2, 4);
  Pipeline pipeline = make_pipeline(model);
  expect_right(model, job, run(pipeline, job));
  std::thread([&] { expect_right(model, job, run(pipeline, job)); }).join();
}

}  // namespace
}  // namespace t2i::test
