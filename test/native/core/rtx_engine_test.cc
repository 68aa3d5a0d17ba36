// What TensorRT-RTX compiles when an engine runs.

#include <gtest/gtest.h>

#include "support_engines.h"

namespace t2i::test {
namespace {

TEST(RtxEngine, CompilesForAShapeBeforeItsFirstForwardAndRemembersInTheNextProcess) {
  const std::string serialized = fake::serialize(text_encoder(kRtx));
  const auto counter = [](const char* name) { return stand_in_counter(kRtx, name); };
  const auto run = [&](const std::vector<uint8_t>& known) {
    Engine engine(stand_in(kRtx), {serialized.data(), serialized.size()}, {known.data(), known.size()});
    Runner runner(engine, "ids", "states");
    for (const int64_t prompts : {1, 2, 1}) {
      runner.context.set_shape("ids", {prompts, 4});
      runner.run();
    }
    return engine.runtime_cache();
  };
  const int fallbacks = counter("fake_fallbacks"), before = counter("fake_compilations");
  const std::vector<uint8_t> cache = run({});
  EXPECT_EQ(counter("fake_compilations"), before + 2);
  EXPECT_EQ(run(cache), cache);
  EXPECT_EQ(counter("fake_compilations"), before + 2) << "they were in the cache";
  EXPECT_EQ(run({1, 2, 3}), cache) << "what is no cache is left aside";
  EXPECT_EQ(counter("fake_fallbacks"), fallbacks);
}

}  // namespace
}  // namespace t2i::test
