#include "support_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/bfloat16.h"
#include "base/half.h"
#include "base/step.h"

namespace t2i::test {

namespace {

using Values = std::vector<float>;

float through(DataType type, float value) {
  if (type == DataType::float16) return from_half(to_half(value));
  return type == DataType::bfloat16 ? from_bfloat16(to_bfloat16(value)) : value;
}

Values through(DataType type, Values values) {
  for (float& value : values) value = through(type, value);
  return values;
}

float salt(int32_t s) { return static_cast<float>(s) / 1024.0f; }

/// The UNet takes them in its own type.
Values encode(const ToyModel& model, const std::vector<int32_t>& ids) {
  Values states;
  for (int64_t state = 0; state < states_of(model); ++state) {
    const int64_t id = ids[static_cast<std::size_t>(state) % ids.size()];
    for (int64_t d = 0; d < model.width; ++d) {
      const int64_t bucket = (id * 31 + d * 7 + model.text_salt) % 64;
      states.push_back(through(model.encoded_type, static_cast<float>(bucket) / 64.0f - 0.5f));
    }
  }
  return through(model.states_type, states);
}

Values predict(const ToyModel& model, const Values& x, const Values& states, float timestep, const Values& guidance) {
  const bool integer = model.timestep_type == DataType::int64 || model.timestep_type == DataType::int32;
  const float told = integer ? std::nearbyint(timestep) : through(model.timestep_type, timestep);
  Values out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float half = through(model.unet_type, x[i]) * 0.5f;
    const float time = told / 1000.0f;
    const float pull = states[i % states.size()] * time;
    float sum = half + pull;
    if (!guidance.empty()) sum = sum + through(model.guidance_type, guidance[i % guidance.size()]);
    out[i] = through(model.unet_type, sum + salt(model.unet_salt));
  }
  return out;
}

Raster decode(const ToyModel& model, const Job& job, const Values& latents) {
  const int64_t height = job.latent_height * model.factor, width = job.latent_width * model.factor;
  Raster raster{{}, static_cast<int32_t>(width), static_cast<int32_t>(height)};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        const int64_t row = (c % model.channels) * job.latent_height + y / model.factor;
        const float scaled =
            latents[static_cast<std::size_t>(row * job.latent_width + x / model.factor)] / model.scaling_factor;
        const float quarter = through(model.decoder_type, scaled + model.shift_factor) * 0.25f;
        const float value = through(model.decoder_type, quarter + salt(model.decoder_salt));
        const float half = value / 2.0f;
        const float unit = std::min(1.0f, std::max(0.0f, half + 0.5f));
        raster.rgb.push_back(static_cast<uint8_t>(std::nearbyint(unit * 255.0f)));
      }
    }
  }
  return raster;
}

}  // namespace

Reference draw_plainly(const ToyModel& model, const Job& job) {
  const auto size = static_cast<std::size_t>(model.channels * job.latent_height * job.latent_width);
  Reference result;
  for (std::size_t image = 0; image < job.noise.size(); ++image) {
    const auto& [ids, negative_ids] = job.prompts[image];
    const Values prompt = encode(model, ids);
    const Values negative = job.guidance_scale ? encode(model, negative_ids) : Values();
    Values x(job.noise[image].data(), job.noise[image].data() + size), clean(size);
    for (float& value : x) value *= job.plan.init_scale;
    const float* fresh = job.noise[image].data() + size;
    for (int32_t index = 0; index < job.plan.steps; ++index) {
      const float* row = &job.plan.rows[static_cast<std::size_t>(index) * kRowLength];
      const float timestep = job.plan.timesteps[static_cast<std::size_t>(index)];
      Values out = predict(model, x, prompt, timestep, job.guidance_embedding);
      if (job.guidance_scale) {
        const Values unconditional = predict(model, x, negative, timestep, job.guidance_embedding);
        for (std::size_t i = 0; i < size; ++i) out[i] = guide(unconditional[i], out[i], *job.guidance_scale);
      }
      for (std::size_t i = 0; i < size; ++i) {
        const StepResult next = step(row, x[i], out[i], row[6] != 0.0f ? fresh[i] : 0.0f, clean[i], job.plan.clip);
        x[i] = next.x;
        clean[i] = next.x0;
      }
      if (row[6] != 0.0f) fresh += size;
      const int32_t done = index + 1;
      if (job.watched && job.preview_every > 0 && done % job.preview_every == 0) {
        result.previews[{static_cast<int32_t>(image), done}] = decode(model, job, clean);
      }
    }
    result.images.push_back(decode(model, job, x));
  }
  return result;
}

}  // namespace t2i::test
