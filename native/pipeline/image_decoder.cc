#include "pipeline/image_decoder.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.h"
#include "cuda/kernels.h"

namespace t2i {

namespace {

constexpr int64_t kColours = 3;
/// Where the images start behind the flag.
constexpr std::size_t kImages = align(sizeof(int32_t));

}  // namespace

ImageDecoder::ImageDecoder(Engine& decoder, const ModelFacts& model, Activations& activations)
    : model_(model),
      network_(decoder, model.vae_decoder.image, activations),
      rows_(range_of(decoder.tensor(model.vae_decoder.latents), 0)) {}

void ImageDecoder::reserve(const Job& job, int32_t images) {
  const auto most = static_cast<int32_t>(std::min<int64_t>(images, rows_.max));
  shape_network(job, most);
  const auto& names = model_.vae_decoder;
  const Dims input = network_.shape(names.latents), image = network_.shape(names.image);
  input_.reserve(static_cast<std::size_t>(volume(input)) * size_of(network_.tensor(names.latents).type));
  image_.reserve(static_cast<std::size_t>(volume(image)) * size_of(network_.tensor(names.image).type));
  const std::size_t bytes = kImages + static_cast<std::size_t>(most * kColours * image[2] * image[3]);
  result_.reserve(bytes);
  for (Readback& readback : readbacks_) {
    readback.memory.reserve(bytes);
    if (!readback.event) readback.event = cuda::Event::create();
  }
}

void ImageDecoder::shape_network(const Job& job, int32_t images) {
  const int64_t rows = std::max<int64_t>(images, rows_.min);
  const int64_t height = job.latent_height, width = job.latent_width, factor = model_.vae_factor;
  network_.reshape({{model_.vae_decoder.latents, {rows, model_.latent_channels, height, width}}});
  network_.require_shape(model_.vae_decoder.image, {rows, kColours, height * factor, width * factor});
}

void ImageDecoder::decode(const Job& job, const float* latents, int32_t images, Pace& pace, cuda::StreamHandle stream,
                          const OnRasters& on_rasters) {
  const int64_t latent_size = int64_t{model_.latent_channels} * job.latent_height * job.latent_width;
  for (int32_t first = 0, count; first < images; first += count) {
    count = static_cast<int32_t>(std::min<int64_t>(images - first, rows_.max));
    pace.make_room();
    Readback& readback = readbacks_[next_];
    next_ = (next_ + 1) % readbacks_.size();
    queue(job, latents + first * latent_size, count, readback, stream);
    const int32_t height = job.latent_height * model_.vae_factor, width = job.latent_width * model_.vae_factor;
    pace.add({[&readback] { return cuda::passed(readback.event.get()); },
              [=, this_ = this, &readback] { on_rasters(first, this_->read(readback, height, width)); }});
  }
}

void ImageDecoder::queue(const Job& job, const float* latents, int32_t images, Readback& readback,
                         cuda::StreamHandle stream) {
  const auto& names = model_.vae_decoder;
  shape_network(job, images);
  const Dims input_shape = network_.shape(names.latents), image_shape = network_.shape(names.image);

  cuda::DecoderInputArgs input{};
  input.latents = latents;
  input.input = input_.as<void>();
  input.type = network_.tensor(names.latents).type;
  input.scale = model_.scaling_factor;
  input.shift = model_.shift_factor;
  input.count = volume(input_shape) / input_shape[0] * images;
  cuda::launch_decoder_input(input, stream);

  network_.bind(names.latents, input_.as<void>());
  network_.bind(names.image, image_.as<void>());
  network_.enqueue(stream);

  cuda::RgbArgs rgb{};
  rgb.image = image_.as<void>();
  rgb.type = network_.tensor(names.image).type;
  rgb.rgb = result_.as<uint8_t>() + kImages;
  rgb.images = images;
  rgb.pixels = image_shape[2] * image_shape[3];
  rgb.not_a_number = result_.as<int32_t>();
  // With what lies between it and the images: that is copied to the host too.
  cuda::fill_zero(rgb.not_a_number, kImages, stream);
  cuda::launch_rgb(rgb, stream);

  const std::size_t bytes = kImages + static_cast<std::size_t>(images * kColours * rgb.pixels);
  cuda::copy_to_host(readback.memory.as<void>(), result_.as<void>(), bytes, stream);
  cuda::record(readback.event.get(), stream);
  readback.images = images;
}

std::vector<Raster> ImageDecoder::read(const Readback& readback, int32_t height, int32_t width) const {
  if (*readback.memory.as<int32_t>() != 0) {
    throw Error(ErrorCode::backend_failed, "The model computed NaN values.",
                "The weights are damaged or overflow; run the model in its original framework to compare.");
  }
  const auto bytes = static_cast<std::size_t>(kColours * height * width);
  std::vector<Raster> rasters;
  for (int32_t image = 0; image < readback.images; ++image) {
    const uint8_t* rgb = readback.memory.as<uint8_t>() + kImages + static_cast<std::size_t>(image) * bytes;
    rasters.push_back({{rgb, rgb + bytes}, width, height});
  }
  return rasters;
}

void ImageDecoder::free_memory() noexcept {
  network_.free_memory();
  for (DeviceMemory* memory : {&input_, &image_, &result_}) memory->free();
  for (Readback& readback : readbacks_) {
    readback.memory.free();
    readback.event.reset();
  }
}

}  // namespace t2i
