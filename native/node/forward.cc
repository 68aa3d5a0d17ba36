#include "node/forward.h"

#include <array>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "cuda/device.h"
#include "engine/forward.h"
#include "node/bytes.h"
#include "node/request.h"
#include "node/worker.h"
#include "tensorrt/library.h"

namespace t2i {

namespace {

constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();

struct NamedType {
  const char* name;
  DataType type;
};
/// What NativeTensor calls them.
constexpr std::array<NamedType, 5> kTypes{{{"float32", DataType::float32},
                                           {"float16", DataType::float16},
                                           {"bfloat16", DataType::bfloat16},
                                           {"int32", DataType::int32},
                                           {"int64", DataType::int64}}};

DataType read_type(const Argument& type) {
  const std::string name = type.string();
  for (const NamedType& known : kTypes) {
    if (name == known.name) return known.type;
  }
  type.refuse("float32, float16, bfloat16, int32 or int64");
}

const char* name_of(const std::string& tensor, DataType type) {
  for (const NamedType& known : kTypes) {
    if (type == known.type) return known.name;
  }
  throw Error(ErrorCode::backend_failed, "output " + tensor +
                                             ": expected float32, float16, bfloat16, int32 or int64, received type " +
                                             std::to_string(static_cast<int>(type)) + " of TensorRT's DataType");
}

HostTensor read_tensor(const Argument& tensor) {
  HostTensor result;
  result.type = read_type(tensor["type"]);
  std::size_t bytes = size_of(result.type);
  const View<uint8_t> data = tensor["data"].bytes();
  for (const Argument& dim : tensor["dims"].list()) {
    result.dims.push_back(dim.integer(0, kLargest));
    bytes *= static_cast<std::size_t>(result.dims.back());
    // Also keeps the product from wrapping around.
    if (bytes > std::numeric_limits<uint32_t>::max()) dim.refuse("dimensions of at most 4 GiB");
  }
  if (data.size != bytes) tensor["data"].refuse("Uint8Array of length " + std::to_string(bytes));
  result.data = data.copy();
  return result;
}

class ForwardRequest : public Request {
 public:
  ForwardRequest(const Napi::Promise::Deferred& promise, const Argument& options, const Argument& inputs)
      : Request(promise),
        device_(static_cast<int>(options["device"].integer(0, kLargest))),
        library_(options["library"].string()),
        serialized_(options["serialized"]) {
    for (const auto& [name, tensor] : inputs.entries()) inputs_.emplace(name, read_tensor(tensor));
  }

 private:
  bool last(bool) const override { return true; }

  void run() override {
    cuda::use_device(device_);
    Engine engine(tensorrt::Library::open(library_), {serialized_.data(), serialized_.size()});
    outputs_ = forward(engine, inputs_);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object object = Napi::Object::New(env);
    for (auto& [name, output] : outputs_) {
      Napi::Array dims = Napi::Array::New(env, output.dims.size());
      for (uint32_t i = 0; i < output.dims.size(); ++i) dims.Set(i, static_cast<double>(output.dims[i]));
      Napi::Object tensor = Napi::Object::New(env);
      tensor.Set("type", name_of(name, output.type));
      tensor.Set("dims", dims);
      tensor.Set("data", to_js(env, std::move(output.data)));
      object.Set(name, tensor);
    }
    return object;
  }

  int device_;
  std::string library_;
  HeldBytes serialized_;
  std::map<std::string, HostTensor> inputs_;
  std::map<std::string, HostTensor> outputs_;
};

Napi::Value run_engine(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&](const auto& promise) {
    auto request = std::make_shared<ForwardRequest>(promise, Argument(info[0], "options"), Argument(info[1], "inputs"));
    Worker::start(info.Env(), "t2i forward", {})->submit(info.Env(), std::move(request));
  });
}

}  // namespace

void export_forward(Napi::Env env, Napi::Object exports) {
  exports.Set("runEngine", Napi::Function::New(env, run_engine, "runEngine"));
}

}  // namespace t2i
