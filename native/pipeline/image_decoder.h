#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/job.h"
#include "pipeline/network.h"
#include "pipeline/pace.h"

namespace t2i {

/// The VAE decoder between latents and bytes: scaling, forward, RGB8 and one copy to pinned memory, all on the stream.
class ImageDecoder {
 public:
  /// Gets images `first` to `first + rasters.size()` of those to decode.
  using OnRasters = std::function<void(int32_t first, std::vector<Raster>&& rasters)>;

  ImageDecoder(Engine& decoder, const ModelFacts& model, Activations& activations);

  /// Makes room for images of a job. The stream must be past every earlier one.
  void reserve(const Job& job, int32_t images);
  /// Queues the decoding of `images` latents, as many at once as the engine takes.
  ///
  /// @param latents [images, channels, height, width] as the denoiser knows them; read in stream order
  /// @param on_rasters called as each part has come to the host, by `pace`
  /// @throws Error, also from `pace`: BACKEND_FAILED where an image holds NaN values, else as the
  /// device says
  void decode(const Job& job, const float* latents, int32_t images, Pace& pace, cuda::StreamHandle stream,
              const OnRasters& on_rasters);
  void free_memory() noexcept;

 private:
  /// What comes back from the device: whether a value is no number, then the images.
  struct Readback {
    PinnedMemory memory;
    cuda::Event event;
    int32_t images = 0;
  };

  void shape_network(const Job& job, int32_t images);
  void queue(const Job& job, const float* latents, int32_t images, Readback& readback, cuda::StreamHandle stream);
  std::vector<Raster> read(const Readback& readback, int32_t height, int32_t width) const;

  ModelFacts model_;
  Network network_;
  Range rows_;
  DeviceMemory input_;
  DeviceMemory image_;
  DeviceMemory result_;
  /// As many as `Pace` lets be ahead.
  std::array<Readback, 2> readbacks_;
  std::size_t next_ = 0;
};

}  // namespace t2i
