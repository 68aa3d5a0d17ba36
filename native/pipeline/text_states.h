#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <vector>

#include "base/job.h"
#include "pipeline/network.h"

namespace t2i {

using Ids = std::vector<int32_t>;

/// The text encoder with a small memory of what it encoded last. What it says about a prompt are its states, [states,
/// width], on the device.
class TextStates {
 public:
  /// @param type element type of the states that it hands out, float32, float16 or bfloat16: the one that the UNet takes
  TextStates(Engine& encoder, const ModelFacts& model, DataType type, Activations& activations);

  /// Queues what is needed to have the states of `prompts`, which may repeat. They stay valid until the next call. The
  /// stream must be past the call before.
  ///
  /// @param cancelled checked before every forward
  /// @throws Error ABORTED, OUT_OF_MEMORY, BACKEND_FAILED, DEVICE_LOST
  std::vector<const void*> encode(const std::vector<const Ids*>& prompts, const std::atomic<bool>& cancelled,
                                  cuda::StreamHandle stream);
  /// [states, width], known once something was encoded.
  const Dims& shape() const noexcept { return shape_; }
  void free_memory() noexcept;

 private:
  struct Entry {
    Ids ids;
    DeviceMemory states;
  };

  void prepare(std::size_t prompts);
  void run(const Ids& ids, std::size_t slot, void* states, cuda::StreamHandle stream);
  void convert(void* states, cuda::StreamHandle stream);

  ModelFacts model_;
  Network network_;
  DataType type_;
  /// [batch, context] of the ids: batch is 1 unless the engine wants more.
  Dims input_shape_;
  Dims shape_;
  /// The most recently used first.
  std::list<Entry> known_;
  /// The mask, then the ids of the prompts of a job.
  PinnedMemory staging_;
  DeviceMemory ids_;
  DeviceMemory mask_;
  DeviceMemory output_;
  /// Where the encoder and the UNet differ in type: the encoder's states, then the UNet's.
  PinnedMemory conversion_;
};

}  // namespace t2i
