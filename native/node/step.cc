#include "node/step.h"

#include <cstring>
#include <limits>
#include <optional>

#include "base/step.h"
#include "cuda/kernels.h"
#include "cuda/resources.h"
#include "node/argument.h"
#include "node/error.h"

namespace t2i {

namespace {

/// NativeStepArrays.
struct StepArrays {
  const float* row;
  View<float> x;
  float* x0;
  const float* conditional;
  /// Null without guidance.
  const float* unconditional = nullptr;
  float guidance_scale;
  const float* noise;
  float clip = std::numeric_limits<float>::infinity();
};

StepArrays read(const Argument& step) {
  StepArrays arrays;
  arrays.x = step["x"].floats();
  const std::size_t size = arrays.x.size;
  arrays.row = step["row"].floats(kRowLength).data;
  arrays.x0 = step["x0"].floats(size).data;
  arrays.conditional = step["conditional"].floats(size).data;
  if (!step["unconditional"].absent()) arrays.unconditional = step["unconditional"].floats(size).data;
  arrays.guidance_scale = step["guidanceScale"].real();
  arrays.noise = step["noise"].floats(size).data;
  if (!step["clip"].absent()) arrays.clip = step["clip"].real();
  return arrays;
}

void step_host(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const StepArrays arrays = read(Argument(info[0], "step"));
    for (std::size_t i = 0; i < arrays.x.size; ++i) {
      const float out = arrays.unconditional == nullptr
                            ? arrays.conditional[i]
                            : guide(arrays.unconditional[i], arrays.conditional[i], arrays.guidance_scale);
      const StepResult result = step(arrays.row, arrays.x.data[i], out, arrays.noise[i], arrays.x0[i], arrays.clip);
      arrays.x.data[i] = result.x;
      arrays.x0[i] = result.x0;
    }
  });
}

/// Device memory filled from host memory, which must be pinned for the copy.
class Upload {
 public:
  explicit Upload(std::size_t bytes) : pinned_(bytes), device_(bytes) {}

  void write(std::size_t offset, const void* data, std::size_t bytes) {
    std::memcpy(pinned_.as<char>() + offset, data, bytes);
  }
  void send(const cuda::Stream& stream) {
    cuda::copy_to_device(device_.get(), pinned_.get(), device_.bytes(), stream.get());
  }
  void fetch(const cuda::Stream& stream) {
    cuda::copy_to_host(pinned_.get(), device_.get(), device_.bytes(), stream.get());
  }
  void* device() const { return device_.get(); }
  float* floats() const { return static_cast<float*>(device_.get()); }
  const float* host(std::size_t offset = 0) const { return pinned_.as<float>() + offset; }

 private:
  cuda::PinnedBuffer pinned_;
  cuda::DeviceBuffer device_;
};

void run_on_device(const StepArrays& arrays) {
  const std::size_t size = arrays.x.size;
  const std::size_t bytes = size * sizeof(float);
  const int copies = arrays.unconditional == nullptr ? 1 : 2;
  Upload state(2 * bytes);
  Upload output(copies * bytes);
  Upload noise(bytes);
  Upload row(kRowLength * sizeof(float));
  Upload settings(sizeof(cuda::StepSettings));
  cuda::DeviceBuffer counters(3 * sizeof(int32_t));
  cuda::PinnedBuffer progress(sizeof(int32_t));
  // Last, so that it is the first to go: it waits for what is queued, which works in all of the above.
  const cuda::Stream stream = cuda::Stream::create();

  state.write(0, arrays.x.data, bytes);
  state.write(bytes, arrays.x0, bytes);
  if (arrays.unconditional != nullptr) output.write(0, arrays.unconditional, bytes);
  output.write((copies - 1) * bytes, arrays.conditional, bytes);
  noise.write(0, arrays.noise, bytes);
  row.write(0, arrays.row, kRowLength * sizeof(float));
  const cuda::StepSettings values{arrays.guidance_scale, arrays.clip};
  settings.write(0, &values, sizeof values);
  for (Upload* upload : {&state, &output, &noise, &row, &settings}) upload->send(stream);
  cuda::fill_zero(counters.get(), counters.bytes(), stream.get());

  cuda::StepArgs args;
  args.latents = state.floats();
  args.clean = state.floats() + size;
  args.output = output.device();
  args.output_type = DataType::float32;
  args.rows = row.floats();
  args.noise = noise.floats();
  args.noise_blocks = static_cast<int32_t*>(counters.get());
  args.images = 1;
  args.copies = copies;
  args.latent_size = static_cast<int64_t>(size);
  args.settings = static_cast<const cuda::StepSettings*>(settings.device());
  args.step = static_cast<int32_t*>(counters.get()) + 1;
  args.ticket = static_cast<uint32_t*>(counters.get()) + 2;
  args.progress = static_cast<int32_t*>(cuda::device_address(progress.get()));
  cuda::launch_step(args, stream.get());
  state.fetch(stream);
  cuda::synchronize(stream.get());

  std::memcpy(arrays.x.data, state.host(), bytes);
  std::memcpy(arrays.x0, state.host(size), bytes);
}

void step_device(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const StepArrays arrays = read(Argument(info[0], "step"));
    const auto device = Argument(info[1], "device").integer(0, std::numeric_limits<int32_t>::max());
    cuda::use_device(static_cast<int>(device));
    if (arrays.x.size > 0) run_on_device(arrays);
  });
}

}  // namespace

void export_step(Napi::Env env, Napi::Object exports) {
  exports.Set("stepHost", Napi::Function::New(env, step_host, "stepHost"));
  exports.Set("stepDevice", Napi::Function::New(env, step_device, "stepDevice"));
}

}  // namespace t2i
