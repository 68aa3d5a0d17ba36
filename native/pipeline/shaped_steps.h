#pragma once

#include <cstdint>
#include <list>
#include <string>

#include "pipeline/activations.h"
#include "pipeline/network.h"
#include "pipeline/step_graph.h"

namespace t2i {

/// How the rows of a step go through the network.
struct Batching {
  int32_t forwards = 0;
  /// Of one forward, what fills up the engine's smallest batch included; 0 before the first use.
  int64_t rows = 0;
  int32_t images = 0;
  int32_t conditions = 0;
  bool operator==(const Batching& other) const {
    return forwards == other.forwards && rows == other.rows && images == other.images && conditions == other.conditions;
  }
};

/// A step of one shape: a context of the UNet, and the graph that was captured from it.
struct ShapedStep {
  ShapedStep(Engine& unet, const std::string& output, Activations& activations, bool use_graph)
      : network(unet, output, activations), graph(use_graph) {}

  Batching batching;
  Network network;
  // Destroyed first: a graph must not outlive its context.
  StepGraph graph;
};

/// The steps of the few shapes that a session used last, so that one which alternates between sizes or batches captures
/// each once. Each has a context of its own, since TensorRT leaves undefined what a captured forward does once its
/// context was changed.
class ShapedSteps {
 public:
  /// @param output of the UNet
  ShapedSteps(Engine& unet, std::string output, Activations& activations, bool use_graph);

  /// The step of those shapes. Where it is new, the one that was not used for longest makes room. Every step queued
  /// before must have passed.
  ///
  /// @throws Error BACKEND_FAILED outside the profile, OUT_OF_MEMORY
  ShapedStep& select(const Batching& batching, const Shapes& inputs);
  /// To be called when memory moved that steps were captured with.
  void forget_graphs() noexcept;
  /// To be called at the start of a job: what failed once may work now.
  void try_again() noexcept;
  /// All but one context and its shapes go.
  void free_memory() noexcept;

 private:
  using Place = std::list<ShapedStep>::iterator;
  Place make_room();

  Engine& unet_;
  std::string output_;
  Activations& activations_;
  bool use_graph_;
  /// The most recently used first; never empty.
  std::list<ShapedStep> steps_;
};

}  // namespace t2i
