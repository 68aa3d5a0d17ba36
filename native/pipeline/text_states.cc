#include "pipeline/text_states.h"

#include <algorithm>

#include "base/error.h"
#include "cuda/dispatch.h"

namespace t2i {

namespace {

/// A negative prompt and a handful of prompts come again and again.
constexpr std::size_t kKeptPrompts = 16;

/// Fills `count` elements of an integer tensor with `values`, again and again.
void write_integers(void* target, DataType type, const Ids& values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const int32_t value = values[i % values.size()];
    if (type == DataType::int64) {
      static_cast<int64_t*>(target)[i] = value;
    } else {
      static_cast<int32_t*>(target)[i] = value;
    }
  }
}

template <typename From, typename To>
void copy_as(const void* source, void* target, std::size_t count) {
  const From* values = static_cast<const From*>(source);
  std::transform(values, values + count, static_cast<To*>(target), [](From value) { return narrow<To>(widen(value)); });
}

}  // namespace

TextStates::TextStates(Engine& encoder, const ModelFacts& model, DataType type, Activations& activations)
    : model_(model), network_(encoder, model.text_encoder.states, activations), type_(type) {
  input_shape_ = {range_of(network_.tensor(model.text_encoder.ids), 0).min, model.context_length};
}

std::vector<const void*> TextStates::encode(const std::vector<const Ids*>& prompts, const std::atomic<bool>& cancelled,
                                            cuda::StreamHandle stream) {
  prepare(prompts.size());
  std::vector<const void*> states;
  // None of this call is forgotten within it.
  const std::size_t kept = std::max(kKeptPrompts, prompts.size());
  for (std::size_t slot = 0; slot < prompts.size(); ++slot) {
    if (cancelled.load(std::memory_order_relaxed)) throw Error(ErrorCode::aborted, "The job was aborted.");
    const Ids& ids = *prompts[slot];
    auto entry = std::find_if(known_.begin(), known_.end(), [&](const Entry& known) { return known.ids == ids; });
    if (entry == known_.end()) {
      // The memory of the one forgotten serves the new one: the stream is past it before it writes.
      if (known_.size() < kept) known_.emplace_back();
      entry = std::prev(known_.end());
      entry->states.reserve(static_cast<std::size_t>(volume(shape_)) * size_of(type_));
      run(ids, slot, entry->states.as<void>(), stream);
      entry->ids = ids;
    }
    known_.splice(known_.begin(), known_, entry);
    states.push_back(entry->states.as<void>());
  }
  return states;
}

void TextStates::prepare(std::size_t prompts) {
  const auto& names = model_.text_encoder;
  const auto tokens = static_cast<std::size_t>(volume(input_shape_));
  // The mask is the same for all prompts: it is written here, since the copy of one may still run while the next is
  // prepared.
  if (staging_.reserve((1 + prompts) * tokens * sizeof(int64_t)) && !names.attention_mask.empty())
    write_integers(staging_.as<void>(), network_.tensor(names.attention_mask).type, {1}, tokens);
  Shapes shapes = {{names.ids, input_shape_}};
  if (!names.attention_mask.empty()) shapes[names.attention_mask] = input_shape_;
  if (!network_.reshape(shapes)) return;
  const Dims output = network_.shape(names.states);
  shape_ = {output.at(1), output.at(2)};
  ids_.reserve(tokens * sizeof(int64_t));
  mask_.reserve(tokens * sizeof(int64_t));
  output_.reserve(static_cast<std::size_t>(volume(output)) * size_of(network_.tensor(names.states).type));
}

void TextStates::run(const Ids& ids, std::size_t slot, void* states, cuda::StreamHandle stream) {
  const auto& names = model_.text_encoder;
  const auto tokens = static_cast<std::size_t>(volume(input_shape_));
  const auto upload = [&](const std::string& name, const DeviceMemory& memory, std::size_t place) {
    const int64_t* staged = staging_.as<int64_t>() + place * tokens;
    cuda::copy_to_device(memory.as<void>(), staged, tokens * size_of(network_.tensor(name).type), stream);
    network_.bind(name, memory.as<void>());
  };
  write_integers(staging_.as<int64_t>() + (1 + slot) * tokens, network_.tensor(names.ids).type, ids, tokens);
  upload(names.ids, ids_, 1 + slot);
  if (!names.attention_mask.empty()) upload(names.attention_mask, mask_, 0);
  network_.bind(names.states, output_.as<void>());
  network_.enqueue(stream);
  if (network_.tensor(names.states).type == type_) {
    cuda::copy_on_device(states, output_.as<void>(), static_cast<std::size_t>(volume(shape_)) * size_of(type_), stream);
  } else {
    convert(states, stream);
  }
}

/// On the host, since it happens once a prompt and only where the two engines were built in different precisions.
void TextStates::convert(void* states, cuda::StreamHandle stream) {
  const auto count = static_cast<std::size_t>(volume(shape_));
  const DataType from = network_.tensor(model_.text_encoder.states).type;
  conversion_.reserve(count * (size_of(from) + size_of(type_)));
  void* given = conversion_.as<void>();
  void* wanted = conversion_.as<char>() + count * size_of(from);
  cuda::copy_to_host(given, output_.as<void>(), count * size_of(from), stream);
  cuda::synchronize(stream);
  cuda::with_type("text states", from, [&](auto source) {
    cuda::with_type("text states", type_,
                    [&](auto target) { copy_as<decltype(source), decltype(target)>(given, wanted, count); });
  });
  cuda::copy_to_device(states, wanted, count * size_of(type_), stream);
}

void TextStates::free_memory() noexcept {
  network_.free_memory();
  known_.clear();
  staging_.free();
  ids_.free();
  mask_.free();
  output_.free();
  conversion_.free();
}

}  // namespace t2i
