#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "support_reference.h"

namespace t2i {

inline bool operator==(const Raster& a, const Raster& b) {
  return a.rgb == b.rgb && a.width == b.width && a.height == b.height;
}

namespace test {

/// What a run gave: its result or its error, and every step that was reported.
struct Outcome {
  JobResult result;
  std::optional<ErrorCode> error;
  std::string message;
  std::vector<StepReport> steps;
  std::vector<ImageReport> images;
};

/// Runs a job; `on_step` may set `cancelled`.
inline Outcome run(Pipeline& pipeline, const Job& job,
                   const std::function<void(const StepReport&, std::atomic<bool>& cancelled)>& on_step = {},
                   bool cancelled_before = false) {
  Outcome outcome;
  std::atomic<bool> cancelled{cancelled_before};
  const JobControl control{cancelled,
                           [&](StepReport&& report) {
                             if (on_step) on_step(report, cancelled);
                             outcome.steps.push_back(std::move(report));
                           },
                           [&](ImageReport&& report) { outcome.images.push_back(std::move(report)); }};
  try {
    outcome.result = pipeline.run(job, control);
  } catch (const Error& error) {
    outcome.error = error.code();
    outcome.message = error.what();
  }
  return outcome;
}

/// The images and previews are the plain loop's, bit for bit, and every step of every image was reported in order,
/// then the image itself, as it was done.
inline void expect_right(const ToyModel& model, const Job& job, const Outcome& outcome) {
  ASSERT_FALSE(outcome.error.has_value()) << code_name(*outcome.error) << ": " << outcome.message;
  const Reference reference = draw_plainly(model, job);
  EXPECT_TRUE(outcome.result.images == reference.images) << "the images differ";
  std::vector<int32_t> last(job.noise.size());
  for (const StepReport& report : outcome.steps) {
    EXPECT_EQ(report.step, ++last.at(static_cast<std::size_t>(report.image)));
    const auto expected = reference.previews.find({report.image, report.step});
    ASSERT_EQ(report.preview.has_value(), expected != reference.previews.end()) << "step " << report.step;
    if (report.preview) {
      EXPECT_TRUE(*report.preview == expected->second) << "preview of step " << report.step;
    }
  }
  for (const int32_t step : last) EXPECT_EQ(step, job.watched ? job.plan.steps : 0);
  ASSERT_EQ(outcome.images.size(), job.watched ? job.noise.size() : 0);
  for (std::size_t i = 0; i < outcome.images.size(); ++i) {
    EXPECT_EQ(outcome.images[i].image, static_cast<int32_t>(i));
    EXPECT_TRUE(outcome.images[i].raster == reference.images[i]) << "image " << i << " as it was reported";
  }
}

}  // namespace test
}  // namespace t2i
