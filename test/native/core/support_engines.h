#pragma once

// Single engines over the stand-ins for TensorRT, and what runs them.

#include <cstring>
#include <string>
#include <vector>

#include "base/half.h"
#include "common/toy_engine.h"
#include "cuda/resources.h"
#include "engine/engine.h"
#include "support_toy_model.h"

namespace t2i::test {

/// A text encoder for 1 to 3 prompts of 4 tokens; or, in half precision, a decoder with static shapes.
inline fake::ToyEngine text_encoder(int major) {
  fake::ToyEngine toy;
  toy.version = major == 10 ? 101501 : major == kRtx ? 10701 : 110400;
  if (major == kRtx) toy.capabilities = {89};
  toy.role = fake::Role::text_encoder;
  toy.salt = 5;
  toy.inputs = {{"ids", DataType::int32, {-1, 4}}};
  toy.outputs = {{"states", DataType::float32, {-1, 4, 2}}};
  toy.profile["ids"] = {{1, 4}, {2, 4}, {3, 4}};
  return toy;
}

inline fake::ToyEngine decoder(int major) {
  fake::ToyEngine toy = text_encoder(major);
  toy.role = fake::Role::vae_decoder;
  toy.factor = 2;
  toy.half = true;
  toy.inputs = {{"latents", DataType::float16, {1, 1, 1, 2}}};
  toy.outputs = {{"image", DataType::float16, {1, 3, 2, 4}}};
  toy.profile.clear();
  return toy;
}

/// A context with memory for its two tensors, which host code may read: the device is simulated.
struct Runner {
  Runner(Engine& engine, const std::string& input, const std::string& output) : context(engine) {
    std::memset(in.get(), 0, in.bytes());
    context.set_address(input, in.get());
    context.set_address(output, out.get());
    context.set_activations(activations.get());
  }
  void run() {
    context.enqueue(stream.get());
    cuda::synchronize(stream.get());
  }
  template <typename T>
  std::vector<float> values(std::size_t count) const {
    const T* begin = static_cast<const T*>(out.get());
    std::vector<float> result;
    for (std::size_t i = 0; i < count; ++i) result.push_back(widen(begin[i]));
    return result;
  }

  Context context;
  cuda::DeviceBuffer in{4096};
  cuda::DeviceBuffer out{4096};
  cuda::DeviceBuffer activations{4096};
  // Last, so that it is the first to go: it waits for what works in all of the above.
  cuda::Stream stream = cuda::Stream::create();
};

}  // namespace t2i::test
