#include "pipeline/pipeline.h"

#include <exception>
#include <memory>
#include <new>
#include <utility>

#include "base/error.h"
#include "pipeline/denoiser.h"
#include "pipeline/engine_fit.h"
#include "pipeline/image_decoder.h"
#include "pipeline/job_check.h"
#include "pipeline/pace.h"
#include "pipeline/text_states.h"
#include "pipeline/timeline.h"

namespace t2i {

struct Pipeline::Impl {
  Impl(Engines given_engines, ModelFacts given_model, PipelineOptions given_options)
      : options(given_options), model(std::move(given_model)), engines(std::move(given_engines)), activations(stream) {
    require_fit(engines, model);
    cuda::use_device(options.device);
    stream = cuda::Stream::create();
    denoiser = std::make_unique<Denoiser>(engines.unet, model, options.use_graph, activations);
    text = std::make_unique<TextStates>(engines.text_encoder, model, denoiser->states_type(), activations);
    decoder = std::make_unique<ImageDecoder>(engines.vae_decoder, model, activations);
  }

  JobResult run(const Job& job, const JobControl& control);
  JobResult draw(const Job& job, const JobControl& control);
  Conditions encode_text(const Job& job, const JobControl& control);
  void denoise(const Job& job, const Pass& pass, const JobControl& control, Pace& pace, JobResult& result);
  std::exception_ptr recover(bool keep_memory) noexcept;

  PipelineOptions options;
  ModelFacts model;
  Engines engines;
  Activations activations;
  // Destroyed before the engines; the stream, which waits for what is queued, before the memory that the work uses.
  std::unique_ptr<Denoiser> denoiser;
  std::unique_ptr<TextStates> text;
  std::unique_ptr<ImageDecoder> decoder;
  Timeline timeline;
  cuda::Stream stream;
};

JobResult Pipeline::Impl::run(const Job& job, const JobControl& control) {
  cuda::use_device(options.device);
  require_consistent(job, model);
  try {
    if (!stream) stream = cuda::Stream::create();
    return draw(job, control);
  } catch (const Error& error) {
    if (const std::exception_ptr lost = recover(error.code() == ErrorCode::aborted)) std::rethrow_exception(lost);
    throw;
  } catch (const std::bad_alloc&) {
    recover(false);
    throw Error(ErrorCode::out_of_memory, "The host has no memory left for this request.",
                "Ask for fewer or smaller images.");
  } catch (...) {
    recover(false);
    throw;
  }
}

JobResult Pipeline::Impl::draw(const Job& job, const JobControl& control) {
  JobResult result;
  result.images.resize(job.noise.size());
  Pace pace(stream.get(), control.cancelled);
  timeline.clear();
  timeline.mark(&Timings::text_encoder, stream.get());
  const Conditions conditions = encode_text(job, control);
  const std::vector<Pass> passes = denoiser->passes(static_cast<int32_t>(job.noise.size()), conditions.count);
  denoiser->start();
  decoder->reserve(job, passes.front().count);
  for (const Pass& pass : passes) {
    // Afterwards at most a decoding is ahead: every step of the pass before was settled.
    pace.make_room();
    timeline.mark(&Timings::unet, stream.get());
    denoiser->begin(job, pass, conditions, pace, stream.get());
    denoise(job, pass, control, pace, result);
    timeline.mark(&Timings::vae_decoder, stream.get());
    decoder->decode(job, denoiser->latents(), pass.count, pace, stream.get(),
                    [&](int32_t first, std::vector<Raster>&& rasters) {
                      for (Raster& raster : rasters) {
                        const int32_t image = pass.first + first++;
                        if (job.watched && control.on_image) control.on_image({image, raster});
                        result.images[static_cast<std::size_t>(image)] = std::move(raster);
                      }
                    });
  }
  timeline.mark(nullptr, stream.get());
  pace.finish();
  cuda::synchronize(stream.get());
  result.timings = timeline.read();
  return result;
}

/// Of each image the negative prompt first, as the rows of a forward are.
Conditions Pipeline::Impl::encode_text(const Job& job, const JobControl& control) {
  Conditions conditions;
  conditions.count = job.guidance_scale ? 2 : 1;
  std::vector<const Ids*> prompts;
  for (const Prompt& prompt : job.prompts) {
    if (job.guidance_scale) prompts.push_back(&prompt.negative_ids);
    prompts.push_back(&prompt.ids);
  }
  conditions.states = text->encode(prompts, control.cancelled, stream.get());
  conditions.shape = text->shape();
  return conditions;
}

void Pipeline::Impl::denoise(const Job& job, const Pass& pass, const JobControl& control, Pace& pace,
                             JobResult& result) {
  const bool watched = job.watched && control.on_step;
  for (int32_t step = 1; step <= job.plan.steps; ++step) {
    pace.make_room();
    timeline.mark(&Timings::unet, stream.get());
    const bool again = step < job.plan.steps || pass.first + pass.count < static_cast<int32_t>(job.noise.size());
    denoiser->step(pace, stream.get(), again, result.warnings);
    if (watched && job.preview_every > 0 && step % job.preview_every == 0) {
      timeline.mark(&Timings::vae_decoder, stream.get());
      const auto report = [&control, first_image = pass.first, step](int32_t first, std::vector<Raster>&& rasters) {
        for (Raster& raster : rasters) control.on_step({first_image + first++, step, std::move(raster)});
      };
      pace.add({[this, step] { return denoiser->steps_done() >= step; }, nullptr});
      decoder->decode(job, denoiser->clean(), pass.count, pace, stream.get(), report);
    } else {
      const auto report = [&control, watched, pass, step] {
        for (int32_t image = 0; watched && image < pass.count; ++image)
          control.on_step({pass.first + image, step, std::nullopt});
      };
      pace.add({[this, step] { return denoiser->steps_done() >= step; }, report});
    }
  }
}

/// After an error: waits for the device, so that nothing of the job is in use, and frees its memory.
///
/// @returns the device's own error where it is lost: whatever else was reported is a consequence
std::exception_ptr Pipeline::Impl::recover(bool keep_memory) noexcept {
  std::exception_ptr lost;
  try {
    if (stream) cuda::synchronize(stream.get());
  } catch (const Error& error) {
    if (error.code() == ErrorCode::device_lost) lost = std::current_exception();
    // Destroying it waits too; the next job gets a new one.
    stream.reset();
    keep_memory = false;
  }
  if (keep_memory) return lost;
  text->free_memory();
  denoiser->free_memory();
  decoder->free_memory();
  activations.free_memory();
  timeline.free_memory();
  return lost;
}

Pipeline::Pipeline(Engines engines, ModelFacts model, PipelineOptions options)
    : impl_(std::make_unique<Impl>(std::move(engines), std::move(model), options)) {}

Pipeline::~Pipeline() = default;

RuntimeCaches Pipeline::runtime_caches() const {
  const Engines& engines = impl_->engines;
  return {engines.text_encoder.runtime_cache(), engines.unet.runtime_cache(), engines.vae_decoder.runtime_cache()};
}

int64_t Pipeline::largest_batch() const {
  return range_of(impl_->engines.unet.tensor(impl_->model.unet.sample), 0).max;
}

JobResult Pipeline::run(const Job& job, const JobControl& control) { return impl_->run(job, control); }

}  // namespace t2i
