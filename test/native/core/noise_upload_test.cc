// Noise comes to the device a block at a time, while another thread still draws what later steps add.

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/step.h"
#include "cuda/sim.h"
#include "pipeline/plan_table.h"
#include "support_runs.h"
#include "support_threads.h"

namespace t2i::test {
namespace {

/// Every step adds noise.
Job ancestral(const ToyModel& model, int32_t images, int32_t steps, uint32_t seed = 1) {
  Job job = make_job(model, images, steps, {}, seed);
  const auto blocks = static_cast<std::size_t>(steps) + 1;
  for (std::size_t row = 0; row < static_cast<std::size_t>(steps); ++row) job.plan.rows[row * kRowLength + 6] = 0.25f;
  for (Noise& noise : job.noise) {
    const std::vector<float> latents = noise.own;
    noise.own.clear();
    for (std::size_t block = 0; block < blocks; ++block)
      for (const float value : latents) noise.own.push_back(value + static_cast<float>(block) / 64.0f);
  }
  return job;
}

/// A job whose noise is drawn by somebody else: what is not drawn yet is not there to be read.
class Drawn {
 public:
  explicit Drawn(const Job& job) : job_(job), counts_(job.noise.size(), 0) {
    for (std::size_t i = 0; i < job_.noise.size(); ++i) {
      values_.emplace_back(job.noise[i].own.size(), 1e9f);
      job_.noise[i].own.clear();
      job_.noise[i].shared = values_[i].data();
      job_.noise[i].shared_size = values_[i].size();
      job_.noise[i].drawn = &counts_[i];
    }
    source_ = job.noise;
  }
  const Job& job() const { return job_; }
  /// Draws up to a block, counted from 1, of every image; the images one after the other.
  void up_to(int32_t blocks) {
    const auto size = values_[0].size() / static_cast<std::size_t>(1 + noise_blocks(job_.plan));
    for (std::size_t image = 0; image < values_.size(); ++image) {
      while (counts_[image] < std::min(blocks, 1 + noise_blocks(job_.plan))) {
        const std::size_t start = static_cast<std::size_t>(counts_[image]) * size;
        for (std::size_t i = start; i < start + size; ++i) values_[image][i] = source_[image].own[i];
        __atomic_store_n(&counts_[image], counts_[image] + 1, __ATOMIC_RELEASE);
      }
    }
  }

 private:
  Job job_;
  std::vector<Noise> source_;
  std::vector<std::vector<float>> values_;
  std::vector<int32_t> counts_;
};

class NoiseUploads : public testing::Test {
 protected:
  void SetUp() override { cuda::sim_fail_call(0, cuda::SimFailure::none); }
  ToyModel model_;
};

TEST_F(NoiseUploads, AreOneForEachStepThatAddsNoise) {
  Pipeline pipeline = make_pipeline(model_);
  const auto uploads = [&](const Job& job) {
    cuda::sim_fail_call(0, cuda::SimFailure::none);
    expect_right(model_, job, run(pipeline, job));
    return cuda::sim_calls_of("copy_to_device");
  };
  const Job plain = make_job(model_, 3, 30);
  uploads(plain);
  const int64_t without = uploads(plain);
  EXPECT_EQ(uploads(ancestral(model_, 3, 30)), without + 30);
  EXPECT_EQ(uploads(make_job(model_, 3, 30, {true, true})),
            without + noise_blocks(make_job(model_, 3, 30, {true, true}).plan));
}

TEST_F(NoiseUploads, TakeNoMoreMemoryForMoreSteps) {
  Pipeline pipeline = make_pipeline(model_);
  run(pipeline, make_job(model_, 4, 3));
  cuda::sim_fail_call(0, cuda::SimFailure::none);
  expect_right(model_, ancestral(model_, 4, 100), run(pipeline, ancestral(model_, 4, 100)));
  EXPECT_EQ(cuda::sim_calls_of("allocate") + cuda::sim_calls_of("allocate_pinned"), 0);
  EXPECT_EQ(cuda::sim_calls_of("end_capture"), 0);
}

/// A step is reported while the next is on the device, and the one after that waits for the report.
TEST_F(NoiseUploads, NeedNoNoiseOfStepsThatAreYetToCome) {
  constexpr int32_t kAhead = 2;
  for (const int32_t images : {1, 3, 7}) {
    for (const bool previews : {false, true}) {
      SCOPED_TRACE(std::to_string(images) + " images");
      Job job = ancestral(model_, images, 12);
      job.preview_every = previews ? 1 : 0;
      Pipeline pipeline = make_pipeline(model_);
      Drawn drawn(job);
      drawn.up_to(1 + kAhead);
      const Outcome outcome = run(pipeline, drawn.job(), [&](const StepReport& report, std::atomic<bool>&) {
        drawn.up_to(report.step + 1 + kAhead);
      });
      expect_right(model_, job, outcome);
    }
  }
}

TEST_F(NoiseUploads, WaitForWhatIsNotDrawn) {
  const Job job = ancestral(model_, 2, 20);
  Pipeline pipeline = make_pipeline(model_);
  for (int round = 0; round < 3; ++round) {
    Drawn drawn(job);
    std::thread drawing([&] {
      for (int32_t block = 1; block <= 21; ++block) {
        drawn.up_to(block);
        std::this_thread::yield();
      }
    });
    const Outcome outcome = run(pipeline, drawn.job());
    drawing.join();
    expect_right(model_, job, outcome);
  }
}

TEST_F(NoiseUploads, EndWithTheJobThatIsAbortedWhileItWaits) {
  const Job job = ancestral(model_, 2, 5);
  Pipeline pipeline = make_pipeline(model_);
  for (const int32_t blocks : {0, 1, 3}) {
    Drawn drawn(job);
    drawn.up_to(blocks);
    std::atomic<bool> cancelled{false};
    std::atomic<bool> aborted{false};
    OtherThread waiting([&] {
      try {
        pipeline.run(drawn.job(), {cancelled});
      } catch (const Error& error) {
        aborted = error.code() == ErrorCode::aborted;
      }
    });
    waiting.wait_until_done_or_asleep();
    EXPECT_FALSE(waiting.done());
    cancelled = true;
    waiting.join();
    EXPECT_TRUE(aborted);
    expect_right(model_, job, run(pipeline, job));
  }
}

}  // namespace
}  // namespace t2i::test
