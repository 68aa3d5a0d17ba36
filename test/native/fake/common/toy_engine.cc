#include "common/toy_engine.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

namespace t2i::fake {

namespace {

constexpr const char* kMagic = "T2I-TOY-ENGINE";

bool is_floating(const Tensor& tensor) {
  return tensor.type == DataType::float32 || tensor.type == DataType::float16 || tensor.type == DataType::bfloat16;
}

bool has_rank(const std::vector<Tensor>& tensors, std::size_t rank) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const Tensor& tensor) { return is_floating(tensor) && tensor.dims.size() == rank; });
}

Role role_of(const OnnxGraph& graph) {
  const bool integers =
      std::all_of(graph.inputs.begin(), graph.inputs.end(), [](const Tensor& t) { return t.is_integer(); });
  if (integers && has_rank(graph.outputs, 3)) return Role::text_encoder;
  const bool embedded = graph.inputs.size() == 4 && has_rank(graph.inputs, 2);
  if ((graph.inputs.size() == 3 || embedded) && has_rank(graph.inputs, 4) && has_rank(graph.inputs, 3) &&
      has_rank(graph.outputs, 4)) {
    return Role::unet;
  }
  if (graph.inputs.size() == 1 && has_rank(graph.inputs, 4) && has_rank(graph.outputs, 4)) return Role::vae_decoder;
  throw OnnxError("the stand-in knows text encoders, UNets and decoders; this graph is none of them");
}

int64_t factor_of(const OnnxGraph& graph) {
  const int64_t latent = graph.inputs[0].dims[2], image = graph.outputs[0].dims[2];
  if (latent > 0 && image > 0) return image / latent;
  return graph.upsampling > 1 ? graph.upsampling : 8;
}

void write(std::ostream& out, const std::vector<int64_t>& dims) {
  out << ' ' << dims.size();
  for (const int64_t dim : dims) out << ' ' << dim;
}

std::vector<int64_t> read_dims(std::istream& in) {
  std::size_t rank = 0;
  in >> rank;
  std::vector<int64_t> dims(std::min<std::size_t>(rank, 8));
  for (int64_t& dim : dims) in >> dim;
  return dims;
}

void write(std::ostream& out, const std::vector<Tensor>& tensors) {
  out << tensors.size() << '\n';
  for (const Tensor& tensor : tensors) {
    out << std::quoted(tensor.name) << ' ' << static_cast<int>(tensor.type);
    write(out, tensor.dims);
    out << '\n';
  }
}

std::vector<Tensor> read_tensors(std::istream& in) {
  std::size_t count = 0;
  in >> count;
  std::vector<Tensor> tensors(count);
  for (Tensor& tensor : tensors) {
    int type = 0;
    in >> std::quoted(tensor.name) >> type;
    tensor.type = static_cast<DataType>(type);
    tensor.dims = read_dims(in);
  }
  return tensors;
}

}  // namespace

const Tensor* ToyEngine::find(const std::string& name) const {
  for (const auto* tensors : {&inputs, &outputs}) {
    for (const Tensor& tensor : *tensors) {
      if (tensor.name == name) return &tensor;
    }
  }
  return nullptr;
}

bool ToyEngine::is_input(const std::string& name) const {
  return std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& tensor) { return tensor.name == name; });
}

Range ToyEngine::range(const Tensor& input) const {
  const auto found = profile.find(input.name);
  return found == profile.end() ? Range{input.dims, input.dims, input.dims} : found->second;
}

ToyEngine toy_engine_for(const OnnxGraph& graph, int version) {
  ToyEngine toy;
  toy.version = version;
  toy.role = role_of(graph);
  toy.salt = static_cast<int>(graph.hash & 15);
  if (toy.role == Role::vae_decoder) toy.factor = factor_of(graph);
  toy.half = graph.path.find("fp16", graph.path.rfind('/') + 1) != std::string::npos;
  toy.bfloat16 = graph.bfloat16;
  toy.inputs = graph.inputs;
  toy.outputs = graph.outputs;
  return toy;
}

std::string serialize(const ToyEngine& toy) {
  std::ostringstream out;
  out << kMagic << ' ' << toy.version << '\n';
  out << static_cast<int>(toy.role) << ' ' << toy.salt << ' ' << toy.factor << ' ' << toy.half << ' ' << toy.bfloat16
      << '\n';
  write(out, toy.capabilities);
  out << '\n';
  write(out, toy.inputs);
  write(out, toy.outputs);
  out << toy.profile.size() << '\n';
  for (const auto& [name, range] : toy.profile) {
    out << std::quoted(name);
    for (const auto* dims : {&range.min, &range.opt, &range.max}) write(out, *dims);
    out << '\n';
  }
  const std::string body = out.str();
  return body + std::to_string(fnv1a(body)) + '\n';
}

ToyEngine deserialize(const std::string& bytes, int version) {
  std::istringstream in(bytes);
  std::string magic;
  ToyEngine toy;
  in >> magic >> toy.version;
  if (magic != kMagic) {
    throw BadEngine(
        "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion magicTagRead == "
        "kMAGIC_TAG "
        "failed. Magic tag does not match)");
  }
  if (toy.version != version) {
    throw BadEngine(
        "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (The engine plan file is not compatible with "
        "this "
        "version of TensorRT, expecting library version " +
        std::to_string(version) + " got " + std::to_string(toy.version) + ", please rebuild.)");
  }
  const std::size_t body = bytes.rfind('\n', bytes.size() - 2) + 1;
  if (bytes.back() != '\n' || bytes.substr(body) != std::to_string(fnv1a(bytes.substr(0, body))) + '\n') {
    throw BadEngine(
        "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion checksum failed)");
  }
  int role = 0;
  in >> role >> toy.salt >> toy.factor >> toy.half >> toy.bfloat16;
  toy.role = static_cast<Role>(role);
  toy.capabilities = read_dims(in);
  toy.inputs = read_tensors(in);
  toy.outputs = read_tensors(in);
  std::size_t ranges = 0;
  for (in >> ranges; ranges > 0; ranges--) {
    std::string name;
    in >> std::quoted(name);
    Range& range = toy.profile[name];
    range.min = read_dims(in);
    range.opt = read_dims(in);
    range.max = read_dims(in);
  }
  return toy;
}

}  // namespace t2i::fake
