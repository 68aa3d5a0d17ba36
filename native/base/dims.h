#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace t2i {

/// Sizes of a tensor along its axes; -1 where one is dynamic.
using Dims = std::vector<int64_t>;

/// For messages: `2x4x16x16`, `?` for a dynamic size, `scalar` for no axis.
inline std::string to_string(const Dims& dims) {
  std::string text;
  for (const int64_t size : dims) text += (text.empty() ? "" : "x") + (size < 0 ? "?" : std::to_string(size));
  return text.empty() ? "scalar" : text;
}

}  // namespace t2i
