#include "pipeline/shaped_steps.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"

namespace t2i {

namespace {

/// Two sizes, each for one image and for a batch. A context costs memory of its own.
constexpr std::size_t kKeptSteps = 4;

}  // namespace

ShapedSteps::ShapedSteps(Engine& unet, std::string output, Activations& activations, bool use_graph)
    : unet_(unet), output_(std::move(output)), activations_(activations), use_graph_(use_graph) {
  steps_.emplace_back(unet_, output_, activations_, use_graph_);
}

ShapedStep& ShapedSteps::select(const Batching& batching, const Shapes& inputs) {
  auto place = std::find_if(steps_.begin(), steps_.end(), [&](const ShapedStep& step) {
    return step.batching == batching && step.network.has(inputs);
  });
  if (place == steps_.end()) {
    place = make_room();
    place->graph.forget();
    place->network.reshape(inputs);
    place->batching = batching;
  }
  steps_.splice(steps_.begin(), steps_, place);
  return steps_.front();
}

/// One more where there is memory for it, else the one that was not used for longest.
ShapedSteps::Place ShapedSteps::make_room() {
  const bool unused = steps_.back().batching.rows == 0;
  if (!unused && steps_.size() < kKeptSteps) {
    try {
      steps_.emplace_back(unet_, output_, activations_, use_graph_);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::out_of_memory) throw;
    }
  }
  return std::prev(steps_.end());
}

void ShapedSteps::forget_graphs() noexcept {
  for (ShapedStep& step : steps_) step.graph.forget();
}

void ShapedSteps::try_again() noexcept {
  for (ShapedStep& step : steps_) step.graph.try_again();
}

void ShapedSteps::free_memory() noexcept {
  steps_.erase(std::next(steps_.begin()), steps_.end());
  ShapedStep& kept = steps_.front();
  kept.graph.forget();
  kept.network.free_memory();
  kept.batching = {};
}

}  // namespace t2i
