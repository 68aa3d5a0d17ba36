// What TensorRT calls of ours: the logger and the progress monitor.

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tensorrt/logger.h"
#include "tensorrt/progress_monitor.h"

namespace t2i::tensorrt {
namespace {

using Lines = std::vector<std::string>;

class LoggerTest : public testing::TestWithParam<const Slots*> {
 protected:
  Logger& logger() const { return Logger::of(*GetParam()); }
  /// As TensorRT does.
  void log(Severity severity, const char* message) const {
    call<void>(logger().get(), GetParam()->log, severity, message);
  }

  Log log_;
};

INSTANTIATE_TEST_SUITE_P(Majors, LoggerTest, testing::Values(&kSlots10, &kSlots11));

TEST_P(LoggerTest, KeepsErrorsAndWarningsApart) {
  const Listening listening(logger(), log_);
  log(Severity::verbose, "verbose");
  log(Severity::info, "info");
  log(Severity::warning, "warning");
  log(Severity::error, "error");
  log(Severity::internal_error, "internal error");
  EXPECT_EQ(log_.errors(), (Lines{"error", "internal error"}));
  EXPECT_EQ(log_.warnings(), Lines{"warning"});
  EXPECT_EQ(log_.words("nothing"), "error; internal error");
  log_.clear();
  EXPECT_EQ(log_.words("nothing"), "nothing");
  EXPECT_EQ(log_.warnings(), Lines{});
}

TEST_P(LoggerTest, IsBounded) {
  const Listening listening(logger(), log_);
  log(Severity::error, nullptr);
  for (int i = 0; i < 1000; ++i) log(Severity::error, "again and again");
  EXPECT_EQ(log_.errors(), Lines{"again and again"});
  for (int i = 0; i < 1000; ++i) log(Severity::error, (std::to_string(i) + std::string(10'000, 'x')).c_str());
  EXPECT_EQ(log_.errors().size(), 64u);
  EXPECT_EQ(log_.errors().back().size(), 2000u);
  EXPECT_EQ(log_.errors().front(), "again and again") << "the first line says what is wrong with a model";
  EXPECT_EQ(log_.errors().back().substr(0, 3), "999") << "the last one what a call failed of";
}

TEST_P(LoggerTest, KnowsWhenMemoryRanOut) {
  const Listening listening(logger(), log_);
  log(Severity::warning, "out of memory");
  EXPECT_FALSE(log_.out_of_memory());
  log(Severity::error, "Error Code 1: Cuda Runtime (out of memory)");
  EXPECT_TRUE(log_.out_of_memory());
  // A tactic that was left out for want of memory is not what a build fails of later.
  for (const char* line : {"one", "two", "three"}) log(Severity::error, line);
  EXPECT_FALSE(log_.out_of_memory());
}

TEST_P(LoggerTest, TakesLinesOfTensorRTsOwnThreads) {
  const Listening listening(logger(), log_);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (int k = 0; k < 1000; ++k) log(Severity::error, std::to_string(i).c_str());
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Lines errors = log_.errors();
  EXPECT_EQ(std::set<std::string>(errors.begin(), errors.end()), (std::set<std::string>{"0", "1", "2", "3"}));
}

TEST_P(LoggerTest, KeepsApartWhatTwoThreadsAreTold) {
  const Listening listening(logger(), log_);
  Log theirs;
  std::thread([&] {
    const Listening listening(logger(), theirs);
    log(Severity::error, "theirs");
  }).join();
  log(Severity::error, "mine");
  EXPECT_EQ(log_.errors(), Lines{"mine"});
  EXPECT_EQ(theirs.errors(), Lines{"theirs"});
}

TEST_P(LoggerTest, TellsTheInnermostOfAThreadThenTheOneAround) {
  const Listening listening(logger(), log_);
  Log inner;
  {
    const Listening listening(logger(), inner);
    log(Severity::error, "inner");
  }
  log(Severity::error, "outer");
  EXPECT_EQ(inner.errors(), Lines{"inner"});
  EXPECT_EQ(log_.errors(), Lines{"outer"});
}

TEST_P(LoggerTest, IsThereWhenNobodyListens) {
  {
    const Listening listening(logger(), log_);
  }
  log(Severity::error, "to nobody");
  EXPECT_EQ(log_.errors(), Lines{});
}

TEST(LoggerOf11, SaysWhatItIs) {
  const auto info = call<InterfaceInfo>(Logger::of(kSlots11).get(), 1);
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

}  // namespace
}  // namespace t2i::tensorrt
