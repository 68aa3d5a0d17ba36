#include "common/onnx.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "common/protobuf.h"

// Field numbers are those of onnx.proto.

namespace t2i::fake {

namespace {

constexpr uint64_t kBFloat16 = 16;

DataType type_of(uint64_t onnx) {
  switch (onnx) {
    case 1:
      return DataType::float32;
    case 2:
      return DataType::uint8;
    case 3:
      return DataType::int8;
    case 6:
      return DataType::int32;
    case 7:
      return DataType::int64;
    case 9:
      return DataType::boolean;
    case 10:
      return DataType::float16;
    case kBFloat16:
      return DataType::bfloat16;
    default:
      throw OnnxError("unsupported element type " + std::to_string(onnx));
  }
}

int64_t read_dim(const Field& dim) {
  Message message(dim);
  int64_t value = -1;
  for (Field field; message.next(field);) {
    if (field.number == 1) value = static_cast<int64_t>(field.value);
  }
  return value;
}

/// ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 } } }.
Tensor read_value(const Field& value) {
  Tensor tensor;
  Message message(value);
  for (Field field; message.next(field);) {
    if (field.number == 1) tensor.name = field.text();
    if (field.number != 2) continue;
    Message type(field);
    for (Field kind; type.next(kind);) {
      if (kind.number != 1) throw OnnxError("input or output " + tensor.name + " is no tensor");
      Message tensor_type(kind);
      for (Field part; tensor_type.next(part);) {
        if (part.number == 1) tensor.type = type_of(part.value);
        if (part.number != 2) continue;
        Message shape(part);
        for (Field dim; shape.next(dim);) {
          if (dim.number == 1) tensor.dims.push_back(read_dim(dim));
        }
      }
    }
  }
  return tensor;
}

/// TensorProto: data_type 2, name 8, external_data 13 { key 1, value 2 }. Returns its name.
std::string check_initializer(const Field& initializer, const std::string& folder, OnnxGraph& graph) {
  Message message(initializer);
  std::string name;
  for (Field field; message.next(field);) {
    if (field.number == 2) graph.bfloat16 |= field.value == kBFloat16;
    if (field.number == 8) name = field.text();
    if (field.number != 13) continue;
    Message entry(field);
    std::string key, value;
    for (Field part; entry.next(part);) (part.number == 1 ? key : value) = part.text();
    struct stat status;
    if (key == "location" && stat((folder + value).c_str(), &status) != 0) {
      throw OnnxError("Failed to open file: " + folder + value);
    }
  }
  return name;
}

/// How often the side of each tensor is that of the input it comes from.
using Scales = std::map<std::string, int64_t>;

int64_t scale_of(const Scales& scales, const std::string& tensor) {
  const auto found = scales.find(tensor);
  return found == scales.end() ? 1 : found->second;
}

/// NodeProto: input 1, output 2, name 3, op_type 4, attribute 5 { name 1, i 3 }, domain 7. Nodes come in the order of
/// the computation.
void read_node(const Field& node, OnnxGraph& graph, Scales& scales) {
  Message message(node);
  std::string name, operation, domain;
  std::vector<std::string> outputs;
  int64_t block = 1, scale = 1;
  for (Field field; message.next(field);) {
    if (field.number == 1) scale = std::max(scale, scale_of(scales, field.text()));
    if (field.number == 2) outputs.push_back(field.text());
    if (field.number == 3) name = field.text();
    if (field.number == 4) operation = field.text();
    if (field.number == 7) domain = field.text();
    if (field.number != 5) continue;
    Message attribute(field);
    std::string key;
    uint64_t value = 0;
    for (Field part; attribute.next(part);) {
      if (part.number == 1) key = part.text();
      if (part.number == 3) value = part.value;
    }
    if (operation == "Cast" && key == "to") graph.bfloat16 |= value == kBFloat16;
    if (key == "blocksize") block = static_cast<int64_t>(value);
  }
  if (!domain.empty() && domain != "ai.onnx") {
    throw OnnxError("No importer registered for op: " + operation + ".", static_cast<int>(graph.nodes), name,
                    operation);
  }
  if (operation == "Resize") scale *= 2;
  if (operation == "DepthToSpace") scale *= block;
  for (const std::string& output : outputs) scales[output] = scale;
  graph.nodes++;
}

/// GraphProto: node 1, initializer 5, input 11, output 12.
void read_graph(const Field& proto, OnnxGraph& graph) {
  const std::string folder = graph.path.substr(0, graph.path.rfind('/') + 1);
  std::set<std::string> initializers;
  Scales scales;
  Message message(proto);
  for (Field field; message.next(field);) {
    if (field.number == 1) read_node(field, graph, scales);
    if (field.number == 5) initializers.insert(check_initializer(field, folder, graph));
    if (field.number == 11) graph.inputs.push_back(read_value(field));
    if (field.number == 12) graph.outputs.push_back(read_value(field));
  }
  for (const auto* tensors : {&graph.inputs, &graph.outputs}) {
    for (const Tensor& tensor : *tensors) graph.bfloat16 |= tensor.type == DataType::bfloat16;
  }
  if (!graph.outputs.empty()) graph.upsampling = scale_of(scales, graph.outputs[0].name);
  const auto is_initializer = [&](const Tensor& tensor) { return initializers.count(tensor.name) > 0; };
  graph.inputs.erase(std::remove_if(graph.inputs.begin(), graph.inputs.end(), is_initializer), graph.inputs.end());
}

}  // namespace

bool Tensor::is_dynamic() const { return std::find(dims.begin(), dims.end(), -1) != dims.end(); }

uint32_t fnv1a(const std::string& bytes) {
  uint32_t hash = 2166136261u;
  for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 16777619u;
  return hash;
}

OnnxGraph read_onnx(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw OnnxError("Failed to open file: " + path);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  OnnxGraph graph;
  graph.path = path;
  graph.hash = fnv1a(bytes);
  try {
    // ModelProto: graph 7.
    Message model(bytes.data(), bytes.size());
    for (Field field; model.next(field);) {
      if (field.number == 7 && field.data != nullptr) read_graph(field, graph);
    }
  } catch (const Malformed& error) {
    throw OnnxError(std::string("Failed to parse the ONNX model: ") + error.what());
  }
  if (graph.inputs.empty() || graph.outputs.empty())
    throw OnnxError("Failed to parse the ONNX model: no inputs or outputs");
  return graph;
}

}  // namespace t2i::fake
