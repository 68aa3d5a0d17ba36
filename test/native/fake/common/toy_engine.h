#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/onnx.h"

namespace t2i::fake {

/// Which toy network a graph stands for, told by its inputs and outputs.
enum class Role {
  /// Integer inputs alone (ids, and perhaps a mask); a 3-D floating-point output, the states.
  text_encoder,
  /// Sample (4-D), states (3-D), timestep (a scalar or 1-D) and perhaps the guidance embedding (2-D).
  unet,
  /// One 4-D floating-point input and output.
  vae_decoder,
};

struct Range {
  std::vector<int64_t> min;
  std::vector<int64_t> opt;
  std::vector<int64_t> max;
};

/// What a stand-in's engine holds: all that the toy network needs.
struct ToyEngine {
  /// Of the library that built it; another refuses it.
  int version = 0;
  Role role = Role::unet;
  /// 0 to 15: the ONNX file's hash, lowest four bits. Two files give two networks.
  int salt = 0;
  /**
   * Image pixels for each latent pixel along one side. Where the decoder's input and output heights are both static,
   * their ratio; else the graph's upsampling; 8 where it has none.
   */
  int64_t factor = 1;
  /// Of TensorRT-RTX: what it can run on, 89 for 8.9; empty for TensorRT.
  std::vector<int64_t> capabilities;
  /// Whether the ONNX file's name holds `fp16`.
  bool half = false;
  /// Whether the graph holds bfloat16.
  bool bfloat16 = false;
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
  /// By input, for dynamic ones.
  std::map<std::string, Range> profile;

  const Tensor* find(const std::string& name) const;
  bool is_input(const std::string& name) const;
  /// Smallest and largest shape of an input.
  Range range(const Tensor& input) const;
};

/// @throws OnnxError where the graph is none of the three roles
ToyEngine toy_engine_for(const OnnxGraph& graph, int version);

std::string serialize(const ToyEngine& toy);

struct BadEngine : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// @throws BadEngine in the words of the real library
ToyEngine deserialize(const std::string& bytes, int version);

}  // namespace t2i::fake
