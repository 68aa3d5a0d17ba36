#pragma once

#include <memory>
#include <vector>

#include "common/abi.h"
#include "common/object.h"
#include "common/onnx.h"

namespace t2i::fake {

/// ITensor, of a network.
class NetworkTensor : public Object<NetworkTensor> {
 public:
  explicit NetworkTensor(Tensor tensor) : tensor(std::move(tensor)) {}
  static const MethodTable& methods();
  Tensor tensor;
};

/// INetworkDefinition. The builder's library makes it, the parser's library fills it.
class Network : public Object<Network> {
 public:
  explicit Network(bool strongly_typed) : strongly_typed(strongly_typed) {}
  static const MethodTable& methods();

  bool strongly_typed;
  OnnxGraph graph;
  /// The tensors of the graph as they were handed out.
  std::vector<std::unique_ptr<NetworkTensor>> inputs;
};

}  // namespace t2i::fake
