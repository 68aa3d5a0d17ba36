#include "pipeline/engine_fit.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/error.h"
#include "pipeline/network.h"

namespace t2i {

namespace {

constexpr int64_t kAny = -1;
constexpr int64_t kColours = 3;

struct Expectation {
  std::string tensor;
  bool is_input;
  std::vector<DataType> types;
  /// Shapes that it may have, kAny where every size will do; one of them must match.
  std::vector<Dims> shapes;
};

const std::vector<DataType> kFloats = {DataType::float32, DataType::float16, DataType::bfloat16};
const std::vector<DataType> kIntegers = {DataType::int32, DataType::int64};
const std::vector<DataType> kTimesteps = {DataType::float32, DataType::float16, DataType::bfloat16, DataType::int32,
                                          DataType::int64};

std::string name_of(DataType type) {
  static const char* const names[] = {"float32", "float16", "int8",     "int32", "bool",
                                      "uint8",   "fp8",     "bfloat16", "int64"};
  const auto index = static_cast<std::size_t>(type);
  return index < std::size(names) ? names[index] : "type " + std::to_string(index);
}

template <typename T, typename Text>
std::string either(const std::vector<T>& choices, Text text) {
  std::string result;
  for (const T& choice : choices) result += (result.empty() ? "" : " or ") + text(choice);
  return result;
}

bool matches(const Dims& dims, const Dims& expected) {
  return std::equal(dims.begin(), dims.end(), expected.begin(), expected.end(),
                    [](int64_t dim, int64_t wanted) { return wanted == kAny || dim < 0 || dim == wanted; });
}

std::string describe(bool is_input, const std::string& types, const std::string& shapes) {
  return std::string(is_input ? "an input " : "an output ") + shapes + " of " + types;
}

/// Everything wrong with one engine, sentence by sentence.
class Fit {
 public:
  Fit(std::string network, const Engine& engine) : network_(std::move(network)), tensors_(engine.tensors()) {}

  Fit& expect(const Expectation& expected) {
    known_.push_back(expected.tensor);
    const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                    [&](const TensorSpec& tensor) { return tensor.name == expected.tensor; });
    const std::string wanted =
        describe(expected.is_input, either(expected.types, name_of), either(expected.shapes, to_string));
    if (found == tensors_.end()) {
      report(expected.tensor, wanted, "no tensor of that name");
      return *this;
    }
    const bool fits = found->is_input == expected.is_input &&
                      std::count(expected.types.begin(), expected.types.end(), found->type) > 0 &&
                      std::any_of(expected.shapes.begin(), expected.shapes.end(),
                                  [&](const Dims& shape) { return matches(found->dims, shape); });
    if (!fits) report(expected.tensor, wanted, describe(found->is_input, name_of(found->type), to_string(found->dims)));
    return *this;
  }

  /// What the engine wants and nobody feeds.
  std::string finish() {
    for (const TensorSpec& tensor : tensors_) {
      if (tensor.is_input && std::count(known_.begin(), known_.end(), tensor.name) == 0) {
        report(tensor.name, "no further input", describe(true, name_of(tensor.type), to_string(tensor.dims)));
      }
    }
    return problems_;
  }

 private:
  void report(const std::string& tensor, const std::string& expected, const std::string& received) {
    problems_ += network_ + ": " + tensor + ": expected " + expected + ", received " + received + "; ";
  }

  std::string network_;
  const std::vector<TensorSpec>& tensors_;
  std::vector<std::string> known_;
  std::string problems_;
};

/// Size of the text states along an axis, as the engine that gives them has it.
int64_t size_of_states(const Engine& engine, const std::string& states, std::size_t axis) {
  for (const TensorSpec& tensor : engine.tensors()) {
    if (tensor.name == states && tensor.dims.size() == 3) return tensor.dims[axis];
  }
  return kAny;
}

}  // namespace

void require_fit(const Engines& engines, const ModelFacts& model) {
  const auto& [ids, attention_mask, encoded] = model.text_encoder;
  const auto& [sample, timestep, states, timestep_cond, output] = model.unet;
  const auto& [latents, image] = model.vae_decoder;
  const int64_t context = model.context_length, channels = model.latent_channels;
  const Dims latent_shape = {kAny, channels, kAny, kAny};

  Fit text_encoder("text encoder", engines.text_encoder);
  text_encoder.expect({ids, true, kIntegers, {{kAny, context}}});
  if (!attention_mask.empty()) text_encoder.expect({attention_mask, true, kIntegers, {{kAny, context}}});
  text_encoder.expect({encoded, false, kFloats, {{kAny, kAny, kAny}}});

  const int64_t count = size_of_states(engines.text_encoder, encoded, 1);
  const int64_t width = size_of_states(engines.text_encoder, encoded, 2);
  Fit unet("UNet", engines.unet);
  if (!timestep_cond.empty()) unet.expect({timestep_cond, true, kFloats, {{kAny, model.guidance_width}}});
  unet.expect({sample, true, kFloats, {latent_shape}})
      .expect({timestep, true, kTimesteps, {{}, {kAny}}})
      .expect({states, true, kFloats, {{kAny, count, width}}})
      .expect({output, false, kFloats, {latent_shape}});

  Fit vae_decoder("VAE decoder", engines.vae_decoder);
  vae_decoder.expect({latents, true, kFloats, {latent_shape}})
      .expect({image, false, kFloats, {{kAny, kColours, kAny, kAny}}});

  std::string problems = text_encoder.finish() + unet.finish() + vae_decoder.finish();
  if (problems.empty()) return;
  problems.resize(problems.size() - 2);
  throw Error(ErrorCode::engine_invalid, "The engines do not fit the model: " + problems + ".",
              "Build the engines of this model again: t2i build-engine.");
}

}  // namespace t2i
