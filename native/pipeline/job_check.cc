#include "pipeline/job_check.h"

#include <string>

#include "base/error.h"
#include "base/step.h"
#include "pipeline/plan_table.h"

namespace t2i {

namespace {

void require(bool condition, const std::string& what) {
  if (!condition) throw Error(ErrorCode::internal, "The job contradicts itself: " + what + ".");
}

}  // namespace

void require_consistent(const Job& job, const ModelFacts& model) {
  const Plan& plan = job.plan;
  const auto context = static_cast<std::size_t>(model.context_length), steps = static_cast<std::size_t>(plan.steps);
  require(plan.steps > 0 && plan.timesteps.size() == steps && plan.rows.size() == steps * kRowLength,
          "expected a timestep and a row of 8 for each of " + std::to_string(plan.steps) + " steps");
  require(job.latent_height > 0 && job.latent_width > 0, "expected latents of at least one pixel");
  require(job.prompts.size() == job.noise.size(), "expected a prompt for each image");
  const std::size_t negative = job.guidance_scale ? context : 0;
  for (const Prompt& prompt : job.prompts) {
    require(prompt.ids.size() == context && prompt.negative_ids.size() == negative,
            "expected " + std::to_string(context) + " token ids for each prompt");
  }
  require(job.guidance_embedding.size() == static_cast<std::size_t>(model.guidance_width),
          "expected " + std::to_string(model.guidance_width) + " values of the guidance embedding");
  const auto latent_size = static_cast<std::size_t>(model.latent_channels) *
                           static_cast<std::size_t>(job.latent_height) * static_cast<std::size_t>(job.latent_width);
  const std::size_t values = latent_size * (1 + static_cast<std::size_t>(noise_blocks(plan)));
  require(!job.noise.empty(), "expected at least one image");
  for (const auto& noise : job.noise)
    require(noise.size() == values, "expected " + std::to_string(values) + " values of noise");
}

}  // namespace t2i
