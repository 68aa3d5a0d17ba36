#include "pipeline/noise_upload.h"

#include <algorithm>

#include "pipeline/plan_table.h"

namespace t2i {

bool NoiseUpload::reserve(int32_t images, int64_t latent_size) {
  latent_size_ = latent_size;
  const std::size_t bytes = static_cast<std::size_t>(images * latent_size) * sizeof(float);
  staging_.reserve((1 + kNoiseSlots) * bytes);
  return device_.reserve(kNoiseSlots * bytes);
}

void NoiseUpload::begin(const Job& job, const Pass& pass, float* latents, Pace& pace, cuda::StreamHandle stream) {
  job_ = &job;
  pass_ = pass;
  step_ = 0;
  block_ = 1;
  float* staged = staging_.as<float>();
  stage(0, job.plan.init_scale, staged, pace);
  cuda::copy_to_device(latents, staged, block_size() * sizeof(float), stream);
}

void NoiseUpload::queue_next(Pace& pace, cuda::StreamHandle stream) {
  if (!has_noise(job_->plan, step_++)) return;
  const auto slot = static_cast<std::size_t>(noise_slot(block_));
  float* staged = staging_.as<float>() + (1 + slot) * block_size();
  stage(block_++, 1, staged, pace);
  cuda::copy_to_device(device_.as<float>() + slot * block_size(), staged, block_size() * sizeof(float), stream);
}

void NoiseUpload::stage(int32_t block, float scale, float* target, Pace& pace) const {
  const auto size = static_cast<std::size_t>(latent_size_);
  for (int32_t image = 0; image < pass_.computed; ++image) {
    const Noise& noise = job_->noise[static_cast<std::size_t>(pass_.first + std::min(image, pass_.count - 1))];
    pace.wait_until([&] { return noise.has(block); });
    const float* given = noise.data() + static_cast<std::size_t>(block) * size;
    target = std::transform(given, given + size, target, [scale](float value) { return scale * value; });
  }
}

void NoiseUpload::free_memory() noexcept {
  device_.free();
  staging_.free();
}

}  // namespace t2i
