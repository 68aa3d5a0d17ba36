#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace t2i::fake {

/// An input or output of a graph.
struct Tensor {
  std::string name;
  DataType type = DataType::float32;
  /// -1 where it is dynamic.
  std::vector<int64_t> dims;

  bool is_integer() const { return type == DataType::int32 || type == DataType::int64; }
  bool is_dynamic() const;
};

/// What the stand-ins read of an ONNX file.
struct OnnxGraph {
  std::string path;
  /// Without initializers.
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
  std::size_t nodes = 0;
  /// Product of the factors of the upsampling nodes on the way to its first output: 2 for each Resize, the block size
  /// of each DepthToSpace; 1 where there is none.
  int64_t upsampling = 1;
  /// Whether an input, an output, a stored tensor or a cast is of bfloat16.
  bool bfloat16 = false;
  /// FNV-1a, 32 bits, of the file's bytes.
  uint32_t hash = 0;
};

/// A file that the real parser would refuse; `node` is -1 where it is not one node's fault.
struct OnnxError : std::runtime_error {
  OnnxError(const std::string& message, int node = -1, std::string node_name = {}, std::string node_operator = {})
      : std::runtime_error(message),
        node(node),
        node_name(std::move(node_name)),
        node_operator(std::move(node_operator)) {}
  int node;
  std::string node_name;
  std::string node_operator;
};

/// @throws OnnxError: not there, no ONNX, cut short, an operator of an unknown domain, external data that is missing
OnnxGraph read_onnx(const std::string& path);

uint32_t fnv1a(const std::string& bytes);

}  // namespace t2i::fake
