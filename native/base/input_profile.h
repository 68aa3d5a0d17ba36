#pragma once

#include <string>
#include <vector>

#include "base/dims.h"

namespace t2i {

/// Shapes one input may take.
struct InputProfile {
  std::string input;
  Dims min;
  Dims opt;
  Dims max;
};

/// An input as the graph has it, -1 for dynamic sizes.
struct GraphInput {
  std::string name;
  Dims dims;
};

/// Checks that every dynamic input has a profile, every profile an input, and that the shapes fit: the rank, the static
/// sizes, and 0 < min <= opt <= max.
///
/// @throws Error ENGINE_BUILD_FAILED that says all that is wrong, and lists the inputs
void require_profiles(const std::vector<GraphInput>& inputs, const std::vector<InputProfile>& profiles);

}  // namespace t2i
