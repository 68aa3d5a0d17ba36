// Pipelines of one model in one process hold its weights once.

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cuda/sim.h"
#include "support_engines.h"
#include "support_failures.h"
#include "support_runs.h"
#include "support_scratch.h"
#include "support_threads.h"

namespace t2i::test {
namespace {

class SharedEngines : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    cuda::sim_fail_call(0, cuda::SimFailure::none);
    model_.major = GetParam();
    model_.identity = "a";
    objects_ = counter("fake_live_objects");
    warnings_ = counter("fake_warnings");
    opened_ = counter("fake_deserialisations");
    ASSERT_EQ(counter("fake_engine_bytes"), 0);
  }
  void TearDown() override {
    EXPECT_EQ(counter("fake_engine_bytes"), 0) << "weights outlive the last pipeline";
    EXPECT_EQ(counter("fake_live_objects"), objects_);
    EXPECT_EQ(counter("fake_warnings"), warnings_) << "an engine ended before its contexts";
  }

  int counter(const char* name) const { return stand_in_counter(GetParam(), name); }
  /// Engines that were deserialised in this test.
  int opened() const { return counter("fake_deserialisations") - opened_; }
  std::unique_ptr<Pipeline> open(const ToyModel& model) const {
    return std::make_unique<Pipeline>(make_engines(model), facts_of(model), PipelineOptions());
  }
  Engine open_encoder(const EngineIdentity& identity) const {
    const std::string bytes = fake::serialize(text_encoder(GetParam()));
    return Engine(stand_in(GetParam()), {bytes.data(), bytes.size()}, {}, identity);
  }

  ToyModel model_;

 private:
  int objects_ = 0, warnings_ = 0, opened_ = 0;
};

TEST_P(SharedEngines, AreDeserialisedOnceAndFreedWithTheLast) {
  const Job job = with_guidance(make_job(model_, 2, 4));
  auto first = open(model_);
  const int bytes = counter("fake_engine_bytes");
  EXPECT_GT(bytes, 0);
  auto second = open(model_), third = open(model_);
  EXPECT_EQ(opened(), 3) << "one for each network";
  EXPECT_EQ(counter("fake_engine_bytes"), bytes);
  for (auto* pipeline : {&first, &second, &third}) expect_right(model_, job, run(**pipeline, job));
  first.reset();
  third.reset();
  EXPECT_EQ(counter("fake_engine_bytes"), bytes) << "the second still uses them";
  expect_right(model_, job, run(*second, job));
  second.reset();
  EXPECT_EQ(counter("fake_engine_bytes"), 0);
  expect_right(model_, job, run(*open(model_), job));
  EXPECT_EQ(opened(), 6) << "afterwards they are deserialised again";
}

TEST_P(SharedEngines, ServePipelinesThatWorkAtOnce) {
  std::vector<std::thread> threads;
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    threads.emplace_back([this, seed] {
      const Job job = with_guidance(make_job(model_, static_cast<int32_t>(seed), 6, {true, true}, seed));
      for (int round = 0; round < 5; ++round) {
        const auto pipeline = open(model_);
        for (int i = 0; i < 3; ++i) expect_right(model_, job, run(*pipeline, job));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(SharedEngines, AreOfOneHashOnOneDevice) {
  const Engine one = open_encoder({"a", 0}), same = open_encoder({"a", 0});
  EXPECT_EQ(opened(), 1);
  const Engine other_hash = open_encoder({"b", 0}), other_device = open_encoder({"a", 1});
  EXPECT_EQ(opened(), 3);
  const Engine unknown = open_encoder({}), as_unknown = open_encoder({});
  EXPECT_EQ(opened(), 5) << "without a hash nothing is shared";
}

TEST_P(SharedEngines, AreWaitedForByWhoeverAsksMeanwhile) {
  const ScratchFolder folder;
  const std::string gate = (folder.path() / "gate").string();
  std::ofstream(gate).close();
  const StandInFails waits("open-waits-for=" + gate);
  const auto open_one = [this] { const Engine engine = open_encoder({"a", 0}); };
  std::unique_ptr<Engine> kept;
  OtherThread first([&] { kept = std::make_unique<Engine>(open_encoder({"a", 0})); });
  first.wait_until_done_or_asleep();
  OtherThread second(open_one);
  second.wait_until_done_or_asleep();
  EXPECT_FALSE(second.done());
  std::filesystem::remove(gate);
  first.join();
  second.join();
  EXPECT_EQ(opened(), 1);
}

TEST_P(SharedEngines, ThatCannotBeOpenedAreTriedAgain) {
  {
    const StandInFails fails("null-engine");
    EXPECT_THROW(open_encoder({"a", 0}), Error);
  }
  const Engine engine = open_encoder({"a", 0});
  EXPECT_EQ(opened(), 1);
}

TEST_P(SharedEngines, LeaveADeviceThatFailedToTheirOwnPipeline) {
  const Job job = with_guidance(make_job(model_, 2, 4));
  const auto one = open(model_), other = open(model_);
  run(*one, job);
  cuda::sim_fail_call(20, cuda::SimFailure::out_of_memory);
  EXPECT_EQ(run(*other, job).error, ErrorCode::out_of_memory);
  cuda::sim_fail_call(0, cuda::SimFailure::none);
  expect_right(model_, job, run(*one, job));
  expect_right(model_, job, run(*other, job));
}

INSTANTIATE_TEST_SUITE_P(Engines, SharedEngines, testing::Values(10, 11, kRtx),
                         [](const auto& info) { return "TensorRt" + std::to_string(info.param); });

}  // namespace
}  // namespace t2i::test
