// Captures of a step: what they exclude, and what a failure within leaves behind.

#include "step_graph.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <thread>

#include "common/toy_plan.h"
#include "cuda/sim.h"
#include "engine.h"
#include "support_toy_model.h"

namespace t2i {
namespace {

using namespace std::chrono_literals;

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
    EXPECT_THROW(graph.run(step, stream.get(), warnings), std::bad_alloc);
    cuda::synchronize(stream.get());
    graph.run(step, stream.get(), warnings);
    graph.run(step, stream.get(), warnings);
    cuda::synchronize(stream.get());
    EXPECT_EQ(calls, 4) << "the fourth call is captured, the last step replays it";
    EXPECT_TRUE(warnings.empty());
  }
  EXPECT_EQ(cuda::sim_live(), live);
}

TEST(StepGraph, CapturesWhileNobodyOpensAnEngine) {
  const std::string plan = fake::serialize([] {
    fake::ToyPlan text;
    text.version = 110400;
    text.role = fake::Role::text_encoder;
    text.inputs = {{"ids", DataType::int32, {1, 4}}};
    text.outputs = {{"states", DataType::float32, {1, 4, 2}}};
    return text;
  }());
  const auto library = test::stand_in(11);
  const cuda::Stream stream = cuda::Stream::create();
  const cuda::DeviceBuffer memory(256);
  StepGraph graph(true);
  std::vector<std::string> warnings;
  std::atomic<bool> opened{false};
  std::thread opener;
  int calls = 0;
  graph.run(
      [&] {
        cuda::fill_zero(memory.get(), memory.bytes(), stream.get());
        if (++calls != 2) return;
        opener = std::thread([&] {
          Engine engine(library, plan.data(), plan.size());
          opened = true;
        });
        std::this_thread::sleep_for(50ms);
        EXPECT_FALSE(opened) << "an engine was opened within a capture";
      },
      stream.get(), warnings);
  opener.join();
  EXPECT_TRUE(opened);
  EXPECT_TRUE(warnings.empty());
  cuda::synchronize(stream.get());
}

}  // namespace
}  // namespace t2i
