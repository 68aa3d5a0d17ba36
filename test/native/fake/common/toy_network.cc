#include "common/toy_network.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

#include "base/bfloat16.h"
#include "base/half.h"

namespace t2i::fake {

namespace {

int64_t count_of(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

/// Reads elements of any type that a network takes as float32.
float load(const void* data, DataType type, int64_t index) {
  switch (type) {
    case DataType::float16:
      return widen(static_cast<const Half*>(data)[index]);
    case DataType::bfloat16:
      return widen(static_cast<const BFloat16*>(data)[index]);
    case DataType::int32:
      return static_cast<float>(static_cast<const int32_t*>(data)[index]);
    case DataType::int64:
      return static_cast<float>(static_cast<const int64_t*>(data)[index]);
    default:
      return static_cast<const float*>(data)[index];
  }
}

void store(void* data, DataType type, int64_t index, float value) {
  if (type == DataType::float16) {
    static_cast<Half*>(data)[index] = to_half(value);
  } else if (type == DataType::bfloat16) {
    static_cast<BFloat16*>(data)[index] = to_bfloat16(value);
  } else {
    static_cast<float*>(data)[index] = value;
  }
}

std::vector<Tensor>::const_iterator find_rank(const std::vector<Tensor>& tensors, std::size_t rank) {
  return std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& tensor) { return tensor.dims.size() == rank; });
}

const Tensor& with_rank(const std::vector<Tensor>& tensors, std::size_t rank) { return *find_rank(tensors, rank); }

/// The token ids among the integer inputs; another one is a mask, which the toy ignores.
const Tensor& ids_of(const ToyEngine& toy) {
  for (const Tensor& input : toy.inputs) {
    if (input.name.find("ids") != std::string::npos) return input;
  }
  return toy.inputs.front();
}

const Tensor& timestep_of(const ToyEngine& toy) {
  return *std::find_if(toy.inputs.begin(), toy.inputs.end(),
                       [](const Tensor& input) { return input.dims.size() <= 1; });
}

/// The output that the formulas are of.
const Tensor& result_of(const ToyEngine& toy) { return with_rank(toy.outputs, toy.role == Role::text_encoder ? 3 : 4); }

/// A tensor's elements and shape in one forward.
struct View {
  View(const ToyForward& forward, const Tensor& tensor)
      : type(tensor.type), shape(forward.shapes.at(tensor.name)), data(forward.addresses.at(tensor.name)) {}
  float operator[](int64_t index) const { return load(data, type, index); }

  DataType type;
  const Shape& shape;
  void* data;
};

using Formula = std::function<float(int64_t)>;

Formula text_encoder(const ToyForward& forward, const View& states) {
  const View ids(forward, ids_of(forward.toy));
  // Where there are more states than ids, the ids in turn.
  return [ids, count = states.shape[1], width = states.shape[2], salt = forward.toy.salt](int64_t i) {
    const int64_t context = ids.shape[1];
    const int64_t place = i / width / count * context + i / width % count % context;
    const int64_t id = ids.type == DataType::int64 ? static_cast<const int64_t*>(ids.data)[place]
                                                   : static_cast<const int32_t*>(ids.data)[place];
    const int64_t bucket = (id * 31 + (i % width) * 7 + salt) % 64;
    return static_cast<float>(bucket) / 64.0f - 0.5f;
  };
}

Formula unet(const ToyForward& forward, const View& out) {
  const View x(forward, with_rank(forward.toy.inputs, 4));
  const View states(forward, with_rank(forward.toy.inputs, 3));
  const View timestep(forward, timestep_of(forward.toy));
  const int64_t row = count_of(out.shape) / out.shape[0], text = states.shape[1] * states.shape[2];
  const bool one_timestep = count_of(timestep.shape) == 1;
  const auto guidance = find_rank(forward.toy.inputs, 2);
  const bool embedded = guidance != forward.toy.inputs.end();
  // Any view will do where there is none: it is not read.
  const View steering(forward, embedded ? *guidance : timestep_of(forward.toy));
  return [=, salt = static_cast<float>(forward.toy.salt) / 1024.0f](int64_t i) {
    const int64_t r = i / row;
    const float half = x[i] * 0.5f;
    const float time = timestep[one_timestep ? 0 : r] / 1000.0f;
    const float pull = states[r * text + (i % row) % text] * time;
    float sum = half + pull;
    if (embedded) {
      const int64_t width = steering.shape[1];
      sum = sum + steering[r * width + i % row % width];
    }
    return sum + salt;
  };
}

Formula vae_decoder(const ToyForward& forward, const View& image) {
  const View latents(forward, with_rank(forward.toy.inputs, 4));
  const int64_t channels = latents.shape[1], height = latents.shape[2], width = latents.shape[3];
  const int64_t colours = image.shape[1], rows = image.shape[2], columns = image.shape[3];
  return [=, factor = forward.toy.factor, salt = static_cast<float>(forward.toy.salt) / 1024.0f](int64_t i) {
    const int64_t x = i % columns, y = i / columns % rows, c = i / columns / rows % colours,
                  n = i / columns / rows / colours;
    const float scaled = latents[((n * channels + c % channels) * height + y / factor) * width + x / factor] * 0.25f;
    return scaled + salt;
  };
}

Formula formula_of(const ToyForward& forward, const View& result) {
  switch (forward.toy.role) {
    case Role::text_encoder:
      return text_encoder(forward, result);
    case Role::unet:
      return unet(forward, result);
    default:
      return vae_decoder(forward, result);
  }
}

}  // namespace

Shape output_shape(const ToyEngine& toy, const Tensor& output, const std::map<std::string, Shape>& inputs) {
  if (inputs.size() != toy.inputs.size()) return {};
  const Tensor& main = toy.role == Role::text_encoder ? ids_of(toy) : with_rank(toy.inputs, 4);
  const Shape& shape = inputs.at(main.name);
  Shape result = output.dims;
  for (std::size_t axis = 0; axis < result.size(); axis++) {
    if (result[axis] != -1) continue;
    const bool is_pixels = toy.role == Role::vae_decoder && axis >= 2;
    result[axis] = axis < shape.size() ? shape[axis] * (is_pixels ? toy.factor : 1) : 1;
  }
  return result;
}

void ToyForward::run() const {
  for (const Tensor& output : toy.outputs) {
    std::memset(addresses.at(output.name), 0,
                static_cast<std::size_t>(count_of(shapes.at(output.name))) * size_of(output.type));
  }
  const View result(*this, result_of(toy));
  const Formula formula = formula_of(*this, result);
  const bool broken = failures.has("nan") && toy.role != Role::text_encoder;
  const bool overflow = failures.has("fp16-overflow") && toy.role == Role::vae_decoder && toy.half;
  const bool coarse = failures.has("bf16-inaccurate") && toy.role == Role::vae_decoder && toy.bfloat16;
  const bool inaccurate = failures.has("inaccurate") || coarse;
  for (int64_t i = 0, count = count_of(result.shape); i < count; i++) {
    float value = formula(i);
    if (inaccurate) value *= 1.1f;
    if (overflow) value = std::numeric_limits<float>::infinity();
    if (broken) value = std::numeric_limits<float>::quiet_NaN();
    store(result.data, result.type, i, value);
  }
}

}  // namespace t2i::fake
