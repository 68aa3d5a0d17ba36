#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace t2i {

/// A tensor in host memory, row-major.
struct HostTensor {
  DataType type;
  Dims dims;
  std::vector<uint8_t> data;
};

/// One forward of an engine on a stream of its own, waited for.
///
/// @param inputs one for each input of the engine, in the engine's own types
/// @return one for each output, with the shapes that the inputs make
/// @throws Error BACKEND_FAILED where inputs and engine do not fit, naming the tensor; what Context throws
std::map<std::string, HostTensor> forward(Engine& engine, const std::map<std::string, HostTensor>& inputs);

}  // namespace t2i
