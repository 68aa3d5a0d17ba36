// Captures of a step: what they exclude, and what a failure within leaves behind.

#include "pipeline/step_graph.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <new>
#include <string>

#include "common/toy_engine.h"
#include "cuda/sim.h"
#include "engine/engine.h"
#include "support_failures.h"
#include "support_scratch.h"
#include "support_threads.h"
#include "support_toy_model.h"

namespace t2i {
namespace {

TEST(StepGraph, EndsTheCaptureWhateverIsThrownWithin) {
  const int64_t live = cuda::sim_live();
  {
    const cuda::Stream stream = cuda::Stream::create();
    const cuda::DeviceBuffer memory(256);
    StepGraph graph(true);
    std::vector<std::string> warnings;
    int calls = 0;
    const auto step = [&] {
      cuda::fill_zero(memory.get(), memory.bytes(), stream.get());
      // The second call is the captured one.
      if (++calls == 2) throw std::bad_alloc();
    };
    EXPECT_THROW(graph.run(step, stream.get(), true, warnings), std::bad_alloc);
    cuda::synchronize(stream.get());
    graph.run(step, stream.get(), true, warnings);
    graph.run(step, stream.get(), true, warnings);
    cuda::synchronize(stream.get());
    EXPECT_EQ(calls, 4) << "the fourth call is captured, the last step replays it";
    EXPECT_TRUE(warnings.empty());
  }
  EXPECT_EQ(cuda::sim_live(), live);
}

/// A text encoder of one prompt, and memory for its tensors.
struct Encoder {
  Encoder() : engine(test::stand_in(11), {serialized().data(), serialized().size()}) {}
  static const std::string& serialized() {
    static const std::string bytes = fake::serialize([] {
      fake::ToyEngine text;
      text.version = 110400;
      text.role = fake::Role::text_encoder;
      text.inputs = {{"ids", DataType::int32, {1, 4}}};
      text.outputs = {{"states", DataType::float32, {1, 4, 2}}};
      return text;
    }());
    return bytes;
  }
  Engine engine;
};

/// A step that is captured with something else going on.
class CaptureTest : public testing::Test {
 protected:
  /// @param within called in the middle of the capture
  void capture(const std::function<void()>& within) {
    int calls = 0;
    run([&] {
      if (++calls == 2) within();
    });
    EXPECT_EQ(calls, 2);
  }
  void run(const std::function<void()>& within = [] {}) {
    graph_.run(
        [&] {
          cuda::fill_zero(memory_.get(), memory_.bytes(), stream_.get());
          calls_++;
          within();
        },
        stream_.get(), true, warnings_);
  }
  void TearDown() override {
    EXPECT_TRUE(warnings_.empty()) << warnings_[0];
    cuda::synchronize(stream_.get());
  }

  int calls_ = 0;
  std::vector<std::string> warnings_;

 private:
  cuda::DeviceBuffer memory_{256};
  cuda::Stream stream_ = cuda::Stream::create();
  StepGraph graph_{true};
};

TEST_F(CaptureTest, NobodyOpensAnEngineMeanwhile) {
  std::atomic<bool> opened{false};
  std::unique_ptr<test::OtherThread> opener;
  capture([&] {
    opener = std::make_unique<test::OtherThread>([&] {
      const Encoder encoder;
      opened = true;
    });
    opener->wait_until_done_or_asleep();
    EXPECT_FALSE(opened) << "an engine was opened within a capture";
  });
  opener->join();
}

TEST_F(CaptureTest, NobodyQueuesTheFirstForwardOfAShapeMeanwhile) {
  Encoder encoder;
  Context context(encoder.engine);
  const cuda::DeviceBuffer ids(256), states(256), activations(context.activation_bytes());
  const cuda::Stream stream = cuda::Stream::create();
  context.set_activations(activations.get());
  context.set_address("ids", ids.get());
  context.set_address("states", states.get());
  std::unique_ptr<test::OtherThread> other;
  capture([&] {
    other = std::make_unique<test::OtherThread>([&] { context.enqueue(stream.get()); });
    other->wait_until_done_or_asleep();
    EXPECT_FALSE(other->done()) << "a network was warmed up within a capture";
  });
  other->join();
  cuda::synchronize(stream.get());
}

TEST_F(CaptureTest, WaitsForNobodyWhoOpensAnEngine) {
  const test::ScratchFolder folder;
  const std::string gate = (folder.path() / "gate").string();
  std::ofstream(gate).close();
  const test::StandInFails waits("open-waits-for=" + gate);
  test::OtherThread opener([] { Encoder(); });
  opener.wait_until_done_or_asleep();
  run();
  run();
  EXPECT_EQ(calls_, 2) << "each step is queued by itself";
  EXPECT_FALSE(opener.done());
  std::filesystem::remove(gate);
  opener.join();
  run();
  EXPECT_EQ(calls_, 4) << "now it is captured";
  run();
  EXPECT_EQ(calls_, 4) << "and replayed";
}

}  // namespace
}  // namespace t2i
