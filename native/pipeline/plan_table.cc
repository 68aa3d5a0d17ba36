#include "pipeline/plan_table.h"

#include <algorithm>

#include "base/step.h"

namespace t2i {

namespace {

/// Enough for nearly every plan, so that another number of steps moves no memory.
constexpr int32_t kUsualSteps = 128;

}  // namespace

bool has_noise(const Plan& plan, int32_t step) {
  return plan.rows[static_cast<std::size_t>(step) * kRowLength + 6] != 0.0f;
}

int32_t noise_blocks(const Plan& plan) {
  int32_t blocks = 0;
  for (int32_t step = 0; step < plan.steps; ++step) blocks += has_noise(plan, step);
  return blocks;
}

PlanTable::Layout PlanTable::layout_for(int32_t steps) {
  const auto count = static_cast<std::size_t>(steps);
  Layout layout;
  layout.steps = steps;
  layout.timesteps = sizeof(cuda::StepSettings);
  layout.rows = layout.timesteps + count * sizeof(float);
  layout.blocks = layout.rows + count * kRowLength * sizeof(float);
  layout.bytes = layout.blocks + count * sizeof(int32_t);
  return layout;
}

bool PlanTable::reserve(int32_t steps) {
  if (steps <= layout_.steps) return false;
  free_memory();
  const Layout layout = layout_for(std::max(steps, kUsualSteps));
  device_.reserve(layout.bytes);
  staging_.reserve(layout.bytes);
  layout_ = layout;
  return true;
}

void PlanTable::upload(const Plan& plan, float guidance_scale, cuda::StreamHandle stream) {
  *at<cuda::StepSettings>(staging_, 0) = {guidance_scale, plan.clip};
  std::copy(plan.timesteps.begin(), plan.timesteps.end(), at<float>(staging_, layout_.timesteps));
  std::copy(plan.rows.begin(), plan.rows.end(), at<float>(staging_, layout_.rows));
  int32_t* blocks = at<int32_t>(staging_, layout_.blocks);
  int32_t block = 1;
  for (int32_t step = 0; step < plan.steps; ++step) {
    blocks[step] = noise_slot(block);
    block += has_noise(plan, step);
  }
  cuda::copy_to_device(device_.as<void>(), staging_.as<void>(), layout_.bytes, stream);
}

void PlanTable::free_memory() noexcept {
  device_.free();
  staging_.free();
  layout_ = {};
}

}  // namespace t2i
