// Engines and their contexts over the stand-ins for TensorRT.

#include "engine/engine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "base/half.h"
#include "common/toy_engine.h"
#include "cuda/resources.h"
#include "cuda/sim.h"
#include "support_engines.h"
#include "support_failures.h"
#include "support_toy_model.h"

namespace t2i {
namespace {

using test::decoder;
using test::error_of;
using test::expect_error;
using test::Runner;
using test::StandInFails;
using test::text_encoder;

class EngineTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { live_before_ = counter("fake_live_objects"); }
  void TearDown() override {
    cuda::sim_fail_call(0, cuda::SimFailure::none);
    EXPECT_EQ(counter("fake_live_objects"), live_before_) << "something leaked";
  }

  int counter(const char* name) const { return test::stand_in_counter(GetParam(), name); }
  Engine open(const std::string& bytes) const {
    return Engine(test::stand_in(GetParam()), {bytes.data(), bytes.size()});
  }
  Engine open_text_encoder() const { return open(fake::serialize(text_encoder(GetParam()))); }

 private:
  int live_before_ = 0;
};

TEST_P(EngineTest, ListsItsTensorsWithTheirProfile) {
  const Engine engine = open_text_encoder();
  ASSERT_EQ(engine.tensors().size(), 2u);
  const TensorSpec& ids = engine.tensor("ids");
  EXPECT_TRUE(ids.is_input);
  EXPECT_EQ(ids.type, DataType::int32);
  EXPECT_EQ(ids.dims, (Dims{-1, 4}));
  EXPECT_EQ(ids.min, (Dims{1, 4}));
  EXPECT_EQ(ids.max, (Dims{3, 4}));
  const TensorSpec& states = engine.tensor("states");
  EXPECT_FALSE(states.is_input);
  EXPECT_EQ(states.type, DataType::float32);
  EXPECT_EQ(states.dims, (Dims{-1, 4, 2}));
  expect_error(error_of([&] { engine.tensor("masks"); }), ErrorCode::engine_invalid,
               "no tensor masks, it has ids, states");
}

TEST_P(EngineTest, GivesStaticInputsTheirOwnShapeAsTheProfile) {
  const Engine engine = open(fake::serialize(decoder(GetParam())));
  EXPECT_EQ(engine.tensor("latents").min, (Dims{1, 1, 1, 2}));
  EXPECT_EQ(engine.tensor("latents").max, (Dims{1, 1, 1, 2}));
}

TEST_P(EngineTest, RunsTheNetwork) {
  Engine engine = open_text_encoder();
  Runner runner(engine, "ids", "states");
  const int32_t ids[] = {0, 1, 2, 49407};
  std::memcpy(runner.in.get(), ids, sizeof ids);
  runner.context.set_shape("ids", {1, 4});
  EXPECT_EQ(runner.context.shape("states"), (Dims{1, 4, 2}));
  runner.run();
  std::vector<float> expected;
  for (const int id : ids) {
    for (const int d : {0, 1}) expected.push_back(static_cast<float>((id * 31 + d * 7 + 5) % 64) / 64.0f - 0.5f);
  }
  EXPECT_EQ(runner.values<float>(8), expected);
}

TEST_P(EngineTest, RunsHalfPrecisionAndStaticShapes) {
  Engine engine = open(fake::serialize(decoder(GetParam())));
  Runner runner(engine, "latents", "image");
  const Half latents[] = {to_half(1.0f), to_half(-2.0f)};
  std::memcpy(runner.in.get(), latents, sizeof latents);
  runner.run();
  const float left = from_half(to_half(0.25f + 5.0f / 1024.0f)), right = from_half(to_half(-0.5f + 5.0f / 1024.0f));
  const std::vector<float> row = {left, left, right, right};
  const std::vector<float> image = runner.values<Half>(24);
  for (std::size_t i = 0; i < image.size(); ++i) EXPECT_EQ(image[i], row[i % 4]) << i;
}

TEST_P(EngineTest, KeepsItsContextsWhenItIsMoved) {
  Engine first = open_text_encoder(), second = open_text_encoder();
  Runner runner(first, "ids", "states");
  second = std::move(first);
  runner.context.set_shape("ids", {2, 4});
  runner.run();
  expect_error(error_of([&] { runner.context.set_shape("ids", {9, 4}); }), ErrorCode::backend_failed, "received 9x4");
}

TEST_P(EngineTest, RefusesWhatIsNoEngineOfThisVersion) {
  const std::string serialized = fake::serialize(text_encoder(GetParam()));
  fake::ToyEngine other = text_encoder(GetParam());
  other.version += 100;
  const std::pair<std::string, const char*> cases[] = {
      {"garbage", "agic"},
      {"", "agic"},
      {serialized.substr(0, serialized.size() / 2), "erialization"},
      {fake::serialize(other), "not compatible with this version of TensorRT"},
  };
  for (const auto& [bytes, words] : cases) {
    const Error error = error_of([&, &bytes = bytes] { open(bytes); });
    expect_error(error, ErrorCode::engine_invalid, words);
    EXPECT_NE(error.hint().find("t2i build-engine"), std::string::npos);
  }
}

TEST_P(EngineTest, HearsTensorRTAfterTheEnginesBeforeItAreGone) {
  {
    const Engine first = open_text_encoder();
  }
  Engine second = open_text_encoder();
  {
    const Engine third = open_text_encoder();
  }
  Context context(second);
  expect_error(error_of([&] { context.set_shape("ids", {9, 4}); }), ErrorCode::backend_failed,
               "Set dimension of ids is [9,4]");
}

TEST_P(EngineTest, PassesOnWhyThereIsNoEngineOrContext) {
  {
    const StandInFails fails("null-engine");
    expect_error(error_of([&] { open_text_encoder(); }), ErrorCode::backend_failed, "told to refuse");
  }
  {
    const StandInFails fails("null-runtime");
    expect_error(error_of([&] { open_text_encoder(); }), ErrorCode::backend_failed, "error: 35");
  }
  {
    const StandInFails fails("garbage-pointer");
    expect_error(error_of([&] { open_text_encoder(); }), ErrorCode::backend_failed, "runtime");
  }
  Engine engine = open_text_encoder();
  const StandInFails fails("null-context");
  expect_error(error_of([&] { Context context(engine); }), ErrorCode::out_of_memory, "Requested size");
}

TEST_P(EngineTest, RefusesShapesOutsideTheProfile) {
  Engine engine = open_text_encoder();
  Context context(engine);
  for (const Dims& shape : {Dims{4, 4}, Dims{0, 4}, Dims{1, 5}, Dims{4}}) {
    expect_error(error_of([&] { context.set_shape("ids", shape); }), ErrorCode::backend_failed,
                 "takes ids of 1x4 to 3x4, received " + to_string(shape));
  }
  expect_error(error_of([&] { context.set_shape("masks", {1, 4}); }), ErrorCode::engine_invalid, "no tensor masks");
  expect_error(error_of([&] { context.shape("states"); }), ErrorCode::backend_failed,
               "the shape of states is not known");
  expect_error(error_of([&] { context.shape("masks"); }), ErrorCode::engine_invalid, "no tensor masks");
}

TEST_P(EngineTest, RefusesMemoryThatIsNotAligned) {
  Engine engine = open_text_encoder();
  Runner runner(engine, "ids", "states");
  char* memory = static_cast<char*>(runner.in.get());
  expect_error(error_of([&] { runner.context.set_address("ids", memory + 64); }), ErrorCode::backend_failed,
               "256 bytes");
}

TEST_P(EngineTest, SaysWhatIsMissingBeforeARun) {
  Engine engine = open_text_encoder();
  Runner runner(engine, "ids", "states");
  expect_error(error_of([&] { runner.run(); }), ErrorCode::backend_failed, "the shape of ids is not set");
  Context bare(engine);
  bare.set_shape("ids", {1, 4});
  bare.set_activations(runner.activations.get());
  const Error error = error_of([&] { bare.enqueue(runner.stream.get()); });
  expect_error(error, ErrorCode::backend_failed, "Address is not set for tensor ids");
  // Each error has its own words alone.
  EXPECT_EQ(std::string(error.what()).find("the shape of ids"), std::string::npos);
}

TEST_P(EngineTest, PutsTheDevicesOwnErrorFirst) {
  Engine engine = open_text_encoder();
  const StandInFails fails("enqueue-false");
  Runner runner(engine, "ids", "states");
  runner.context.set_shape("ids", {1, 4});
  expect_error(error_of([&] { runner.run(); }), ErrorCode::backend_failed, "told to fail");
  cuda::sim_fail_call(1, cuda::SimFailure::sticky);
  EXPECT_EQ(error_of([&] { runner.run(); }).code(), ErrorCode::device_lost);
}

TEST_P(EngineTest, MayBeCapturedAfterOneRun) {
  Engine engine = open_text_encoder();
  Runner runner(engine, "ids", "states");
  const auto capture_and_replay = [&] {
    cuda::begin_capture(runner.stream.get());
    runner.context.enqueue(runner.stream.get());
    const cuda::Graph graph(cuda::end_capture(runner.stream.get()));
    for (int i = 0; i < 2; ++i) cuda::launch(graph.get(), runner.stream.get());
    cuda::synchronize(runner.stream.get());
  };
  runner.context.set_shape("ids", {1, 4});
  runner.run();
  std::memset(runner.out.get(), 0, 32);
  capture_and_replay();
  EXPECT_EQ(runner.values<float>(1)[0], 5.0f / 64.0f - 0.5f);
  // The first forward of a shape may wait for the device, which a capture forbids.
  runner.context.set_shape("ids", {2, 4});
  expect_error(error_of(capture_and_replay), ErrorCode::backend_failed, "stream is capturing");
  cuda::abandon_capture(runner.stream.get());
}

TEST_P(EngineTest, RefusesATensorInHostMemoryByName) {
  const StandInFails fails("host-input");
  expect_error(error_of([&] { open_text_encoder(); }), ErrorCode::engine_invalid, "wants ids in host memory");
}

TEST_P(EngineTest, WorksInMemoryThatItIsGiven) {
  Engine engine = open_text_encoder();
  Context context(engine);
  context.set_shape("ids", {1, 4});
  const std::size_t one = context.activation_bytes();
  context.set_shape("ids", {3, 4});
  EXPECT_EQ(context.activation_bytes(), 3 * one) << "of the shape, not of the largest one";
}

TEST_P(EngineTest, StandsInForNetworksThatGoWrong) {
  Engine engine = open(fake::serialize(decoder(GetParam())));
  const auto first_value = [&](const char* failure) {
    const StandInFails fails(failure);
    Runner runner(engine, "latents", "image");
    const Half latents[] = {to_half(1.0f), to_half(1.0f)};
    std::memcpy(runner.in.get(), latents, sizeof latents);
    runner.run();
    return runner.values<Half>(1)[0];
  };
  EXPECT_TRUE(std::isnan(first_value("nan")));
  EXPECT_TRUE(std::isinf(first_value("fp16-overflow")));
  EXPECT_EQ(first_value("inaccurate"), from_half(to_half((0.25f + 5.0f / 1024.0f) * 1.1f)));
}

INSTANTIATE_TEST_SUITE_P(Major, EngineTest, testing::Values(test::kRtx, 10, 11));

}  // namespace
}  // namespace t2i
