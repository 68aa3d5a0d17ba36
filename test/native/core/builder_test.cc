// Builds with the stand-ins for TensorRT: what is asked of the library, and what its answers become.

#include "engine/builder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "common/toy_engine.h"
#include "engine/engine.h"
#include "support_failures.h"
#include "support_scratch.h"
#include "support_toy_model.h"

namespace t2i {
namespace {

using test::error_of;
using test::expect_error;
using test::StandInFails;

const std::string kFixtures = std::string(T2I_SOURCE) + "/test/fixtures/";
const std::vector<InputProfile> kUnetProfiles = {
    {"sample", {1, 4, 8, 8}, {2, 4, 8, 8}, {4, 4, 16, 16}},
    {"encoder_hidden_states", {1, 16, 16}, {2, 16, 16}, {4, 16, 16}},
};
const std::vector<InputProfile> kDecoderProfiles = {{"latents", {1, 4, 8, 8}, {1, 4, 8, 8}, {2, 4, 16, 16}}};

class BuilderTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { live_before_ = test::stand_in_counter(GetParam(), "fake_live_objects"); }
  void TearDown() override {
    EXPECT_EQ(test::stand_in_counter(GetParam(), "fake_live_objects"), live_before_) << "something leaked";
  }

  BuildResult build(const std::string& onnx, const std::vector<InputProfile>& profiles,
                    const std::function<void(const BuildProgress&)>& on_progress = {}) {
    BuildOptions options;
    options.onnx_path = onnx;
    options.profiles = profiles;
    return build_engine(test::stand_in(GetParam()), options, cancelled_, on_progress);
  }

  Error refused(const std::string& onnx, const std::vector<InputProfile>& profiles = {}) {
    return error_of([&] { build(onnx, profiles); });
  }

  fake::ToyEngine read(const BuildResult& result) const {
    return fake::deserialize({result.serialized.begin(), result.serialized.end()}, GetParam() == 10 ? 101501 : 110400);
  }

  /// A file of this test, removed after it.
  std::string scratch(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_.path() / name, std::ios::binary) << bytes;
    return (folder_.path() / name).string();
  }

  std::atomic<bool> cancelled_{false};
  test::ScratchFolder folder_;

 private:
  int live_before_ = 0;
};

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A decoder with a cast to bfloat16, written beside its weights.
std::string in_bfloat16(const std::filesystem::path& folder) {
  const std::string from = kFixtures + "tiny/vae_decoder/";
  std::filesystem::copy_file(from + "model.weights", folder / "model.weights");
  // Graph 7 { node 1 { op_type 4, attribute 5 { name 1, i 3 } } }, which protobuf adds to the graph before it.
  const std::string cast(
      "\x3a\x10\x0a\x0e\x22\x04"
      "Cast"
      "\x2a\x06\x0a\x02to\x18\x10",
      18);
  const std::filesystem::path path = folder / "model.onnx";
  std::ofstream(path, std::ios::binary) << bytes_of(from + "model.onnx") << cast;
  return path.string();
}

TEST_P(BuilderTest, BuildsTheEngineOfAGraphWithItsProfiles) {
  const fake::ToyEngine toy = read(build(kFixtures + "tiny/unet/model.onnx", kUnetProfiles));
  EXPECT_EQ(toy.role, fake::Role::unet);
  EXPECT_EQ(toy.salt, static_cast<int>(fake::fnv1a(bytes_of(kFixtures + "tiny/unet/model.onnx")) & 15));
  ASSERT_EQ(toy.profile.size(), 2u);
  EXPECT_EQ(toy.profile.at("sample").min, (Dims{1, 4, 8, 8}));
  EXPECT_EQ(toy.profile.at("sample").opt, (Dims{2, 4, 8, 8}));
  EXPECT_EQ(toy.profile.at("sample").max, (Dims{4, 4, 16, 16}));
}

TEST_P(BuilderTest, TakesStaticGraphsWithoutProfiles) {
  EXPECT_EQ(read(build(kFixtures + "tiny-16ch/vae_decoder/model.onnx", {})).factor, 16);
  EXPECT_EQ(read(build(kFixtures + "tiny/vae_decoder/model.onnx", kDecoderProfiles)).factor, 8);
  EXPECT_EQ(read(build(kFixtures + "tiny-v/vae_decoder/model.onnx", kDecoderProfiles)).factor, 4);
}

TEST_P(BuilderTest, ReportsEveryStepOfEveryPhase) {
  std::vector<BuildProgress> reports;
  build(kFixtures + "tiny/unet/model.onnx", kUnetProfiles,
        [&](const BuildProgress& progress) { reports.push_back(progress); });
  ASSERT_FALSE(reports.empty());
  EXPECT_EQ(reports.front().phase, "Building Engine");
  EXPECT_EQ(reports.front().step, 0);
  EXPECT_EQ(reports.front().steps, 4);
  EXPECT_EQ(reports.back().phase, "Building Engine");
  EXPECT_EQ(reports.back().step, 4);
  int nested = 0;
  double fraction = 0;
  for (const BuildProgress& report : reports) {
    EXPECT_LE(report.step, report.steps);
    EXPECT_GE(report.fraction, fraction);
    fraction = report.fraction;
    // Phases within the second of four steps are told as its parts.
    if (report.phase == "Tactic Selection" && report.step == 1 && nested == 2) {
      EXPECT_NEAR(fraction, (1 + 1.0 / 3) / 4, 1e-9);
    }
    nested += report.phase == "Tactic Selection" && report.step == report.steps;
  }
  EXPECT_GE(nested, 4);
  EXPECT_EQ(fraction, 1);
}

TEST_P(BuilderTest, IsNotBuiltToTheEndAfterACancel) {
  const StandInFails slow("slow-build");
  std::thread other;
  const Error error = error_of([&] {
    build(kFixtures + "tiny/unet/model.onnx", kUnetProfiles, [&](const BuildProgress& progress) {
      if (other.joinable() || progress.phase != "Tactic Selection") return;
      other = std::thread([&] { cancelled_ = true; });
    });
  });
  other.join();
  expect_error(error, ErrorCode::aborted, "cancelled");
}

TEST_P(BuilderTest, DoesNotStartWhenCancelledBefore) {
  cancelled_ = true;
  bool reported = false;
  const auto start = [&] {
    build(kFixtures + "tiny/unet/model.onnx", kUnetProfiles, [&](const BuildProgress&) { reported = true; });
  };
  expect_error(error_of(start), ErrorCode::aborted, "cancelled");
  EXPECT_FALSE(reported);
}

TEST_P(BuilderTest, SaysAllThatIsWrongWithProfilesAndListsTheInputs) {
  const Error error = refused(kFixtures + "tiny/unet/model.onnx",
                              {{"sample", {2, 4, 8, 8}, {1, 4, 8, 8}, {4, 4, 8, 8}}, {"latent", {1}, {1}, {1}}});
  expect_error(error, ErrorCode::engine_build_failed, "the dynamic input encoder_hidden_states has no profile");
  expect_error(error, ErrorCode::engine_build_failed, "the profile of latent has no input");
  expect_error(error, ErrorCode::engine_build_failed,
               "the profile of sample, expected min <= opt <= max within ?x4x?x?, received 2x4x8x8, 1x4x8x8, 4x4x8x8");
  expect_error(error, ErrorCode::engine_build_failed,
               "its inputs are sample ?x4x?x?, timestep 1, encoder_hidden_states ?x16x16");
}

TEST_P(BuilderTest, RefusesAProfileThatChangesAStaticSizeOrTheRank) {
  const std::string onnx = kFixtures + "tiny/vae_decoder/model.onnx";
  expect_error(refused(onnx, {{"latents", {1, 5, 8, 8}, {1, 5, 8, 8}, {1, 5, 8, 8}}}), ErrorCode::engine_build_failed,
               "within ?x4x?x?");
  expect_error(refused(onnx, {{"latents", {4, 8, 8}, {4, 8, 8}, {4, 8, 8}}}), ErrorCode::engine_build_failed,
               "within ?x4x?x?");
  expect_error(refused(onnx, {{"latents", {0, 4, 8, 8}, {1, 4, 8, 8}, {1, 4, 8, 8}}}), ErrorCode::engine_build_failed,
               "received 0x4x8x8");
}

TEST_P(BuilderTest, PassesOnWhatTheParserSays) {
  expect_error(refused(scratch("garbage.onnx", "no ONNX at all")), ErrorCode::engine_build_failed,
               "Failed to parse the ONNX model");
  const std::string whole = bytes_of(kFixtures + "tiny/unet/model.onnx");
  expect_error(refused(scratch("cut.onnx", whole.substr(0, whole.size() / 2))), ErrorCode::engine_build_failed,
               "ends within a field");
  expect_error(refused(scratch("alone.onnx", whole)), ErrorCode::engine_build_failed, "Failed to open file");
  expect_error(refused(kFixtures + "nowhere.onnx"), ErrorCode::engine_build_failed, "nowhere.onnx");
  expect_error(refused(std::string(T2I_SOURCE) + "/test/native/fixtures/unsupported-operator.onnx"),
               ErrorCode::engine_build_failed, "operator Telepathy of node 1, /made_up/Telepathy");
}

TEST_P(BuilderTest, PassesOnWhatTheBuilderSays) {
  const std::string onnx = kFixtures + "tiny/vae_decoder/model.onnx";
  {
    const StandInFails fails("build-fails");
    expect_error(refused(onnx, kDecoderProfiles), ErrorCode::engine_build_failed,
                 "Could not find any implementation for node /toy/node");
  }
  const StandInFails fails("build-memory");
  const Error error = refused(onnx, kDecoderProfiles);
  expect_error(error, ErrorCode::out_of_memory, "OutOfMemory");
  EXPECT_NE(error.hint(), "");
}

TEST_P(BuilderTest, RecordsTheTimingCacheAndTakesItAgain) {
  BuildOptions options;
  options.onnx_path = kFixtures + "tiny/unet/model.onnx";
  options.profiles = kUnetProfiles;
  const BuildResult first = build_engine(test::stand_in(GetParam()), options, cancelled_, {});
  options.timing_cache = first.timing_cache;
  const BuildResult second = build_engine(test::stand_in(GetParam()), options, cancelled_, {});
  ASSERT_FALSE(first.timing_cache.empty());
  ASSERT_GT(second.timing_cache.size(), first.timing_cache.size());
  EXPECT_TRUE(std::equal(first.timing_cache.begin(), first.timing_cache.end(), second.timing_cache.begin()));
  EXPECT_TRUE(second.log.empty());
}

TEST_P(BuilderTest, LeavesATimingCacheAsideThatIsNone) {
  BuildOptions options;
  options.onnx_path = kFixtures + "tiny/unet/model.onnx";
  options.profiles = kUnetProfiles;
  options.timing_cache = {1, 2, 3};
  const BuildResult result = build_engine(test::stand_in(GetParam()), options, cancelled_, {});
  EXPECT_FALSE(result.serialized.empty());
  EXPECT_FALSE(result.timing_cache.empty()) << "the build recorded nothing";
  ASSERT_EQ(result.log.size(), 1u);
  EXPECT_NE(result.log[0].find("the blob is no timing cache"), std::string::npos);
}

TEST_P(BuilderTest, BuildsForOtherDevicesWithTensorRtRtxAlone) {
  BuildOptions options;
  options.onnx_path = kFixtures + "tiny/unet/model.onnx";
  options.profiles = kUnetProfiles;
  options.compute_capabilities = {75, 89};
  expect_error(error_of([&] { build_engine(test::stand_in(GetParam()), options, cancelled_, {}); }),
               ErrorCode::engine_build_failed, "expected TensorRT-RTX");
}

TEST_P(BuilderTest, RefusesBFloat16OnADeviceThatHasNone) {
  const std::string graph = in_bfloat16(folder_.path());
  EXPECT_TRUE(read(build(graph, kDecoderProfiles)).bfloat16);
  setenv("T2I_SIM_COMPUTE", "75", 1);
  expect_error(refused(graph, kDecoderProfiles), ErrorCode::engine_build_failed, "HW-specific datatypes: b16");
  unsetenv("T2I_SIM_COMPUTE");
}

INSTANTIATE_TEST_SUITE_P(Major, BuilderTest, testing::Values(10, 11));

/// A build by TensorRT-RTX on the simulated device.
class RtxBuilderTest : public testing::Test {
 protected:
  void TearDown() override { unsetenv("T2I_SIM_COMPUTE"); }
  BuildResult build(const std::vector<int32_t>& capabilities,
                    const std::string& onnx = kFixtures + "tiny/vae_decoder/model.onnx") {
    BuildOptions options;
    options.onnx_path = onnx;
    options.profiles = kDecoderProfiles;
    options.compute_capabilities = capabilities;
    return build_engine(test::stand_in(test::kRtx), options, cancelled_, {});
  }
  static std::vector<int64_t> capabilities_of(const BuildResult& result) {
    return fake::deserialize({result.serialized.begin(), result.serialized.end()}, 10701).capabilities;
  }

 private:
  std::atomic<bool> cancelled_{false};
};

TEST_F(RtxBuilderTest, BuildsForTheDeviceAtHand) {
  for (const int capability : {75, 89, 121}) {
    setenv("T2I_SIM_COMPUTE", std::to_string(capability).c_str(), 1);
    const BuildResult result = build({});
    EXPECT_EQ(capabilities_of(result), std::vector<int64_t>{capability});
    const Engine engine(test::stand_in(test::kRtx), {result.serialized.data(), result.serialized.size()});
    EXPECT_FALSE(engine.tensors().empty()) << "it runs where it was built";
  }
}

TEST_F(RtxBuilderTest, BuildsForThoseThatAreAskedForWhateverDeviceIsThere) {
  EXPECT_EQ(capabilities_of(build({75, 120})), (std::vector<int64_t>{75, 120}));
}

TEST_F(RtxBuilderTest, RefusesBFloat16ForGpusThatHaveNone) {
  const test::ScratchFolder folder;
  const std::string graph = in_bfloat16(folder.path());
  EXPECT_EQ(capabilities_of(build({80, 89}, graph)), (std::vector<int64_t>{80, 89}));
  expect_error(error_of([&] { build({75, 89}, graph); }), ErrorCode::engine_build_failed, "target(s) sm75");
}

TEST_F(RtxBuilderTest, RefusesADeviceThatItHasNoCodeForByName) {
  setenv("T2I_SIM_COMPUTE", "90", 1);
  expect_error(error_of([&] { build({}); }), ErrorCode::engine_build_failed,
               "refused the compute capabilities 90, of simulated device");
}

TEST_F(RtxBuilderTest, RecordsNoTimingCache) { EXPECT_TRUE(build({89}).timing_cache.empty()); }

}  // namespace
}  // namespace t2i
