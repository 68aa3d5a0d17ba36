// What TensorRT calls of ours, what is called of TensorRT's, and what its files say.

#include "tensorrt/library.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "error.h"
#include "support_scratch.h"
#include "tensorrt/build_objects.h"
#include "tensorrt/elf.h"
#include "tensorrt/inspect.h"
#include "tensorrt/logger.h"
#include "tensorrt/progress_monitor.h"

namespace t2i::tensorrt {
namespace {

using Lines = std::vector<std::string>;

const std::string kRuntime10 = T2I_FAKE_10 "/libnvinfer.so.10";
const std::string kRuntime11 = T2I_FAKE_11 "/libnvinfer.so.11";

/// Lets the stand-ins fail until the end of a test.
class Failing {
 public:
  explicit Failing(const char* failures) { setenv("T2I_FAKE_TENSORRT", failures, 1); }
  Failing(const Failing&) = delete;
  ~Failing() { unsetenv("T2I_FAKE_TENSORRT"); }
};

void expect_error(ErrorCode code, const std::string& words, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    EXPECT_FALSE(error.hint().empty());
  }
}

class LoggerTest : public testing::TestWithParam<const Slots*> {
 protected:
  LoggerTest() : logger_(*GetParam()) {}
  /// As TensorRT does.
  void log(Severity severity, const char* message) { call<void>(logger_.get(), GetParam()->log, severity, message); }

  Logger logger_;
};

INSTANTIATE_TEST_SUITE_P(Majors, LoggerTest, testing::Values(&kSlots10, &kSlots11));

TEST_P(LoggerTest, KeepsErrorsAndWarningsApart) {
  log(Severity::verbose, "verbose");
  log(Severity::info, "info");
  log(Severity::warning, "warning");
  log(Severity::error, "error");
  log(Severity::internal_error, "internal error");
  EXPECT_EQ(logger_.errors(), (Lines{"error", "internal error"}));
  EXPECT_EQ(logger_.warnings(), Lines{"warning"});
  EXPECT_EQ(logger_.words("nothing"), "error; internal error");
  logger_.clear();
  EXPECT_EQ(logger_.words("nothing"), "nothing");
  EXPECT_EQ(logger_.warnings(), Lines{});
}

TEST_P(LoggerTest, IsBounded) {
  log(Severity::error, nullptr);
  for (int i = 0; i < 1000; ++i) log(Severity::error, "again and again");
  EXPECT_EQ(logger_.errors(), Lines{"again and again"});
  for (int i = 0; i < 1000; ++i) log(Severity::error, (std::to_string(i) + std::string(10'000, 'x')).c_str());
  EXPECT_EQ(logger_.errors().size(), 64u);
  EXPECT_EQ(logger_.errors().back().size(), 2000u);
  EXPECT_EQ(logger_.errors().front(), "again and again") << "the first line says what is wrong with a model";
  EXPECT_EQ(logger_.errors().back().substr(0, 3), "999") << "the last one what a call failed of";
}

TEST_P(LoggerTest, KnowsWhenMemoryRanOut) {
  log(Severity::warning, "out of memory");
  EXPECT_FALSE(logger_.out_of_memory());
  log(Severity::error, "Error Code 1: Cuda Runtime (out of memory)");
  EXPECT_TRUE(logger_.out_of_memory());
  // A tactic that was left out for want of memory is not what a build fails of later.
  for (const char* line : {"one", "two", "three"}) log(Severity::error, line);
  EXPECT_FALSE(logger_.out_of_memory());
}

TEST_P(LoggerTest, TakesLinesFromManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (int k = 0; k < 1000; ++k) log(Severity::error, std::to_string(i).c_str());
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Lines errors = logger_.errors();
  EXPECT_EQ(std::set<std::string>(errors.begin(), errors.end()), (std::set<std::string>{"0", "1", "2", "3"}));
}

TEST(LoggerOf11, SaysWhatItIs) {
  Logger logger(kSlots11);
  const auto info = call<InterfaceInfo>(logger.get(), 1);
  EXPECT_STREQ(info.kind, "ILogger");
  EXPECT_EQ(info.major, 1);
  EXPECT_EQ(info.minor, 0);
}

TEST(ProgressMonitor, ReportsPhasesAndEndsTheBuild) {
  std::atomic<bool> cancelled{false};
  Lines reports;
  std::vector<double> fractions;
  ProgressMonitor monitor(cancelled, [&](const std::string& phase, int32_t step, int32_t steps, double fraction) {
    reports.push_back(phase + " " + std::to_string(step) + "/" + std::to_string(steps));
    fractions.push_back(fraction);
  });
  // As TensorRT does: the methods after phaseStart follow it.
  const int phase_start = kSlots11.phase_start;
  const auto complete = [&](const char* phase, int32_t step) {
    return call<bool>(&monitor, phase_start + 1, phase, step);
  };
  const char* none = nullptr;
  call<void>(&monitor, phase_start, "build", none, int32_t{2});
  call<void>(&monitor, phase_start, "tactics", "build", int32_t{4});
  EXPECT_TRUE(complete("tactics", 1));
  EXPECT_TRUE(complete("unknown", 0));
  call<void>(&monitor, phase_start + 2, "tactics");
  call<void>(&monitor, phase_start + 2, "unknown");
  cancelled = true;
  EXPECT_FALSE(complete("build", 1));
  EXPECT_EQ(reports, (Lines{"build 0/2", "tactics 0/4", "tactics 2/4", "tactics 4/4", "build 2/2"}));
  // Tactics are within the first of two steps.
  EXPECT_EQ(fractions, (std::vector<double>{0, 0, 0.25, 0.5, 1}));
  EXPECT_STREQ(call<InterfaceInfo>(&monitor, 1).kind, "IProgressMonitor");
}

TEST(ProgressMonitor, LetsNothingThrowIntoTensorRT) {
  std::atomic<bool> cancelled{false};
  ProgressMonitor monitor(cancelled,
                          [](const std::string&, int32_t, int32_t, double) { throw std::runtime_error("mine"); });
  monitor.phase_start("build", nullptr, 2);
  EXPECT_TRUE(monitor.step_complete("build", 0));
  monitor.phase_finish("build");
}

TEST(Objects, TheFirstPageHoldsNone) {
  for (const std::uintptr_t number : {0x0u, 0x228u, 0x238u, 0xfffu}) {
    void* pointer = reinterpret_cast<void*>(number);
    EXPECT_FALSE(is_object(pointer));
    // Destroying such an owner must not call anything.
    EXPECT_FALSE(Runtime(pointer, kSlots10));
    EXPECT_FALSE(Parser(pointer, kSlots10));
    EXPECT_FALSE(OptimizationProfile(pointer, kSlots10));
  }
}

TEST(Library, OpensBothMajors) {
  for (const auto& [path, major, slots] :
       {std::tuple{kRuntime10, 10, &kSlots10}, std::tuple{kRuntime11, 11, &kSlots11}}) {
    const std::shared_ptr<Library> library = Library::open(path);
    EXPECT_EQ(library->info().version[0], major);
    EXPECT_EQ(&library->slots(), slots);
    EXPECT_EQ(library->info().kind, Kind::full);
    EXPECT_TRUE(library->info().can_build) << testing::PrintToString(library->info().notes);
    Logger logger(library->slots());
    EXPECT_TRUE(Runtime(library->create_runtime(logger), library->slots()));
    Builder builder(library->create_builder(logger), library->slots());
    NetworkDefinition network = builder.create_network();
    Parser parser(library->create_parser(network.get(), logger), library->slots());
    EXPECT_FALSE(parser.parse_from_file(T2I_SOURCE "/package.json"));
    EXPECT_GT(parser.get_nb_errors(), 0);
  }
}

TEST(Library, TakesAPointerIntoNowhereForNone) {
  const std::shared_ptr<Library> library = Library::open(kRuntime10);
  Logger logger(library->slots());
  const Failing failing("garbage-pointer");
  expect_error(ErrorCode::backend_failed, "TensorRT made no runtime", [&] { library->create_runtime(logger); });
}

TEST(Library, GivesTensorRTsWords) {
  const std::shared_ptr<Library> library = Library::open(kRuntime11);
  Logger logger(library->slots());
  const Failing failing("null-runtime");
  expect_error(ErrorCode::backend_failed, "CUDA initialization failure with error: 35",
               [&] { library->create_runtime(logger); });
}

TEST(Library, RefusesAVersionThatIsNotItsFiles) {
  const Failing failing("version=110400");
  expect_error(ErrorCode::backend_unavailable, "expected major version 10", [] { Library::open(kRuntime10); });
}

TEST(Library, RefusesWhatIsNone) {
  expect_error(ErrorCode::backend_unavailable, "it is no ELF file", [] { Library::open(T2I_SOURCE "/package.json"); });
  expect_error(ErrorCode::backend_unavailable, "No such file", [] { Library::open("/gone/libnvinfer.so.10"); });
  // The parser is a library, but not the runtime.
  expect_error(ErrorCode::backend_unavailable, "is no TensorRT",
               [] { Library::open(T2I_FAKE_10 "/libnvonnxparser.so.10"); });
}

TEST(Library, CannotBuildWithoutAParser) {
  const test::ScratchFolder folder;
  const std::filesystem::path path = folder.path() / "libnvinfer.so.11";
  std::filesystem::copy_file(kRuntime11, path);
  {
    const std::shared_ptr<Library> library = Library::open(path.string());
    EXPECT_FALSE(library->info().can_build);
    Logger logger(library->slots());
    expect_error(ErrorCode::backend_unavailable, "libnvonnxparser.so.11 is missing",
                 [&] { library->create_builder(logger); });
    expect_error(ErrorCode::backend_unavailable, "libnvonnxparser.so.11 is missing",
                 [&] { library->create_parser(nullptr, logger); });
  }
}

TEST(Inspect, KnowsNamesOfRuntimes) {
  for (const char* name :
       {"libnvinfer.so.10", "libnvinfer.so.10.15.1", "libnvinfer_lean.so.11", "libtensorrt_rtx.so.1"}) {
    EXPECT_TRUE(is_runtime_name(name)) << name;
  }
  for (const char* name :
       {"libnvinfer.so", "libnvinfer_plugin.so.10", "libnvonnxparser.so.10", "libnvinfer.so.x", "a"}) {
    EXPECT_FALSE(is_runtime_name(name)) << name;
  }
}

TEST(ReadElf, FindsNameAndFunctions) {
  const ElfFile file = read_elf(kRuntime10, {"getInferLibVersion", "gone"});
  EXPECT_EQ(file.soname, "libnvinfer.so.10");
  EXPECT_TRUE(file.exports("getInferLibVersion"));
  EXPECT_FALSE(file.exports("gone"));
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ReadElf, NoDamageCrashesIt) {
  const std::string whole = read_file(kRuntime11);
  const test::ScratchFolder folder;
  const std::string path = (folder.path() / "damaged.so").string();
  // The section table is what the reader follows, and lies at the end.
  const std::size_t table = 64 * 40;
  ASSERT_GT(whole.size(), table);
  std::mt19937 random(1);
  const auto below = [&](std::size_t end) { return random() % end; };
  std::set<std::string> reasons;
  for (int round = 0; round < 1000; ++round) {
    std::string bytes = round % 10 == 0 ? whole.substr(0, below(whole.size())) : whole;
    for (std::size_t i = 0; i <= below(8) && bytes.size() > table; ++i) {
      const std::size_t spot = i % 2 == 0 ? below(64) : bytes.size() - 1 - below(table);
      bytes[spot] = static_cast<char>(random());
    }
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    try {
      read_elf(path, {"getInferLibVersion"});
      reasons.insert("none");
    } catch (const std::runtime_error& error) {
      reasons.insert(error.what());
    }
  }
  for (const char* reason : {"none", "it ends too early", "it is no ELF file", "its ELF tables are damaged"}) {
    EXPECT_EQ(reasons.count(reason), 1u) << reason;
  }
}

}  // namespace
}  // namespace t2i::tensorrt
