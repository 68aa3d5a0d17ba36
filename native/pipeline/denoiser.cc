#include "pipeline/denoiser.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "cuda/dispatch.h"

namespace t2i {

namespace {

struct Counters {
  int32_t step;
  uint32_t ticket;
};

}  // namespace

Denoiser::Denoiser(Engine& unet, const ModelFacts& model, bool use_graph, Activations& activations)
    : unet_(unet),
      model_(model),
      activations_(activations),
      rows_(range_of(unet.tensor(model.unet.sample), 0)),
      steps_(unet, model.unet.output, activations, use_graph) {}

std::vector<Pass> Denoiser::passes(int32_t images, int32_t conditions) const {
  const auto rows_of_image = conditions / forwards(conditions);
  const auto most = static_cast<int32_t>(std::min<int64_t>(rows_.max / rows_of_image, images));
  const int32_t count = (images + most - 1) / most, size = (images + count - 1) / count;
  std::vector<Pass> passes;
  for (int32_t first = 0; first < images; first += size)
    passes.push_back({first, std::min(size, images - first), size});
  return passes;
}

void Denoiser::begin(const Job& job, const Pass& pass, const Conditions& conditions, Pace& pace,
                     cuda::StreamHandle stream) {
  Batching batching;
  batching.images = pass.computed;
  batching.conditions = conditions.count;
  batching.forwards = forwards(conditions.count);
  batching.rows = std::max<int64_t>(rows_.min, int64_t{pass.computed} * conditions.count / batching.forwards);
  shape_network({model_.latent_channels, job.latent_height, job.latent_width}, conditions.shape, batching,
                job.plan.steps);
  plan_.upload(job.plan, job.guidance_scale.value_or(1), stream);
  set_conditions(pass, conditions, stream);
  if (model_.guidance_width > 0) upload_guidance(job, stream);
  noise_.begin(job, pass, latents_.as<float>(), pace, stream);
  cuda::fill_zero(clean_.as<void>(), static_cast<std::size_t>(pass.computed * latent_size_) * sizeof(float), stream);
  // Rows that fill up the batch are computed and not read.
  cuda::fill_zero(sample_.as<void>(), sample_bytes_, stream);
  cuda::fill_zero(counters_.as<void>(), sizeof(Counters), stream);
  *progress_.as<int32_t>() = 0;
}

/// Shapes and memory; captured steps survive where nothing of it moves.
void Denoiser::shape_network(const Dims& latent, const Dims& states, const Batching& batching, int32_t steps) {
  const auto& names = model_.unet;
  const TensorSpec& sample = unet_.tensor(names.sample);
  const TensorSpec& timestep = unet_.tensor(names.timestep);
  const TensorSpec& output = unet_.tensor(names.output);
  Dims timesteps = timestep.dims;
  for (int64_t& size : timesteps) size = size < 0 ? batching.rows : size;
  latent_size_ = volume(latent);
  timestep_count_ = volume(timesteps);
  output_row_bytes_ = static_cast<std::size_t>(latent_size_) * size_of(output.type);
  states_stride_ = align(static_cast<std::size_t>(batching.rows * volume(states)) * size_of(states_type()));

  const Dims rows_of_latents = {batching.rows, latent[0], latent[1], latent[2]};
  Shapes shapes = {{names.sample, rows_of_latents},
                   {names.timestep, timesteps},
                   {names.states, {batching.rows, states[0], states[1]}}};
  if (!names.timestep_cond.empty()) shapes[names.timestep_cond] = {batching.rows, model_.guidance_width};
  shaped_ = &steps_.select(batching, shapes);
  shaped_->network.require_shape(names.output, rows_of_latents);
  bool moved = std::exchange(moves_, activations_.moves()) != activations_.moves();
  if (!names.timestep_cond.empty()) moved |= guidance_.reserve(guidance_bytes());
  const auto images = static_cast<std::size_t>(batching.images);
  const auto rows = static_cast<std::size_t>(batching.rows), forwards = static_cast<std::size_t>(batching.forwards);
  const auto size = static_cast<std::size_t>(latent_size_);
  moved |= plan_.reserve(steps);
  sample_bytes_ = rows * size * size_of(sample.type);
  moved |= sample_.reserve(sample_bytes_);
  moved |= timestep_.reserve(static_cast<std::size_t>(timestep_count_) * size_of(timestep.type));
  moved |= states_.reserve(forwards * states_stride_);
  moved |= output_.reserve(forwards * rows * output_row_bytes_);
  if (forwards > 1) moved |= output_row_.reserve(output_row_bytes_);
  moved |= latents_.reserve(images * size * sizeof(float));
  moved |= clean_.reserve(images * size * sizeof(float));
  moved |= noise_.reserve(batching.images, latent_size_);
  moved |= counters_.reserve(sizeof(Counters));
  moved |= progress_.reserve(sizeof(int32_t));
  progress_address_ = static_cast<int32_t*>(cuda::device_address(progress_.as<void>()));
  if (moved) steps_.forget_graphs();
}

/// All images' rows of the first condition, then all of the second; what fills up the batch repeats the last.
void Denoiser::set_conditions(const Pass& pass, const Conditions& conditions, cuda::StreamHandle stream) {
  const Batching& batching = shaped_->batching;
  const std::size_t bytes = static_cast<std::size_t>(volume(conditions.shape)) * size_of(states_type());
  for (int32_t forward = 0; forward < batching.forwards; ++forward) {
    for (int32_t row = 0; row < batching.rows; ++row) {
      const int32_t condition = std::min(forward + row / batching.images, conditions.count - 1);
      const int32_t image = pass.first + std::min(row % batching.images, pass.count - 1);
      char* target = states_.as<char>() + forward * states_stride_ + static_cast<std::size_t>(row) * bytes;
      cuda::copy_on_device(target, conditions.of(image, condition), bytes, stream);
    }
  }
}

std::size_t Denoiser::guidance_bytes() const {
  const DataType type = unet_.tensor(model_.unet.timestep_cond).type;
  return static_cast<std::size_t>(shaped_->batching.rows * model_.guidance_width) * size_of(type);
}

/// The same for every row, and for every step of the job.
void Denoiser::upload_guidance(const Job& job, cuda::StreamHandle stream) {
  guidance_staging_.reserve(guidance_bytes());
  const std::vector<float>& row = job.guidance_embedding;
  const std::size_t count = row.size() * static_cast<std::size_t>(shaped_->batching.rows);
  cuda::with_type("guidance embedding", unet_.tensor(model_.unet.timestep_cond).type, [&](auto element) {
    using T = decltype(element);
    for (std::size_t i = 0; i < count; ++i) guidance_staging_.as<T>()[i] = narrow<T>(row[i % row.size()]);
  });
  cuda::copy_to_device(guidance_.as<void>(), guidance_staging_.as<void>(), guidance_bytes(), stream);
}

void Denoiser::step(Pace& pace, cuda::StreamHandle stream, bool again, std::vector<std::string>& warnings) {
  noise_.queue_next(pace, stream);
  shaped_->graph.run([&] { queue_step(stream); }, stream, again && shaped_->network.capturable(stream), warnings);
}

void Denoiser::queue_step(cuda::StreamHandle stream) {
  cuda::launch_prepare(prepare_args(), stream);
  shaped_->network.bind(model_.unet.sample, sample_.as<void>());
  shaped_->network.bind(model_.unet.timestep, timestep_.as<void>());
  if (!model_.unet.timestep_cond.empty()) shaped_->network.bind(model_.unet.timestep_cond, guidance_.as<void>());
  for (int32_t index = 0; index < shaped_->batching.forwards; ++index) forward(index, stream);
  cuda::launch_step(step_args(), stream);
}

/// Forward `index`; where there are several, each has one row.
void Denoiser::forward(int32_t index, cuda::StreamHandle stream) {
  const std::size_t offset = static_cast<std::size_t>(index) * output_row_bytes_;
  char* output = output_.as<char>() + offset;
  const bool aligned = offset == align(offset);
  shaped_->network.bind(model_.unet.states, states_.as<char>() + static_cast<std::size_t>(index) * states_stride_);
  shaped_->network.bind(model_.unet.output, aligned ? output : output_row_.as<char>());
  shaped_->network.enqueue(stream);
  if (!aligned) cuda::copy_on_device(output, output_row_.as<void>(), output_row_bytes_, stream);
}

cuda::PrepareArgs Denoiser::prepare_args() const {
  cuda::PrepareArgs args{};
  args.latents = latents();
  args.sample = sample_.as<void>();
  args.sample_type = unet_.tensor(model_.unet.sample).type;
  args.timesteps = plan_.timesteps();
  args.timestep = timestep_.as<void>();
  args.timestep_type = unet_.tensor(model_.unet.timestep).type;
  args.timestep_count = static_cast<int32_t>(timestep_count_);
  args.step = &counters_.as<Counters>()->step;
  args.images = shaped_->batching.images;
  // With one forward for each condition, all of them read the same row.
  args.copies = shaped_->batching.conditions / shaped_->batching.forwards;
  args.latent_size = latent_size_;
  return args;
}

cuda::StepArgs Denoiser::step_args() const {
  cuda::StepArgs args{};
  args.latents = latents_.as<float>();
  args.clean = clean_.as<float>();
  args.output = output_.as<void>();
  args.output_type = unet_.tensor(model_.unet.output).type;
  args.rows = plan_.rows();
  args.noise = noise_.device();
  args.noise_blocks = plan_.blocks();
  args.images = shaped_->batching.images;
  args.copies = shaped_->batching.conditions;
  args.latent_size = latent_size_;
  args.settings = plan_.settings();
  args.step = &counters_.as<Counters>()->step;
  args.ticket = &counters_.as<Counters>()->ticket;
  args.progress = progress_address_;
  return args;
}

int32_t Denoiser::steps_done() const noexcept { return __atomic_load_n(progress_.as<int32_t>(), __ATOMIC_ACQUIRE); }

void Denoiser::free_memory() noexcept {
  steps_.free_memory();
  shaped_ = nullptr;
  plan_.free_memory();
  for (DeviceMemory* memory :
       {&sample_, &timestep_, &states_, &guidance_, &output_, &output_row_, &latents_, &clean_, &counters_}) {
    memory->free();
  }
  noise_.free_memory();
  guidance_staging_.free();
  progress_.free();
}

}  // namespace t2i
