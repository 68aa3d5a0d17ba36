#pragma once

#include <map>
#include <utility>
#include <vector>

#include "support_toy_model.h"

namespace t2i::test {

struct Reference {
  std::vector<Raster> images;
  /// By image and step.
  std::map<std::pair<int32_t, int32_t>, Raster> previews;
};

/// A job by the plain loop of src/diffusion/loop.ts, one image after the other, over the toy networks' formulas.
Reference draw_plainly(const ToyModel& model, const Job& job);

}  // namespace t2i::test
