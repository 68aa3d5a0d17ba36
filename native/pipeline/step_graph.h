#pragma once

#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "cuda/capture_mutex.h"
#include "cuda/resources.h"

namespace t2i {

/// One step as a CUDA graph: the first step runs on the plain stream, which TensorRT asks for before a capture, and is
/// captured while the device works on it; all further steps replay it, in later jobs too. Where somebody opens an
/// engine meanwhile, which takes seconds, the step stays on the plain stream and the next one is captured.
class StepGraph {
 public:
  explicit StepGraph(bool enabled) : enabled_(enabled) {}

  /// Queues a step.
  ///
  /// @param queue_step queues it on `stream`, always with the same shapes and addresses unless `forget` was called
  /// @param again whether a further step of the job will be the same: only then a capture is worth its time
  /// @param warnings gets a sentence where capturing fails: then the job's steps run on the plain stream
  template <typename QueueStep>
  void run(QueueStep queue_step, cuda::StreamHandle stream, bool again, std::vector<std::string>& warnings) {
    if (graph_) {
      cuda::launch(graph_.get(), stream);
      return;
    }
    queue_step();
    if (!enabled_ || failed_ || !again) return;
    const std::unique_lock alone(cuda::capture_mutex(), std::try_to_lock);
    if (!alone) return;
    try {
      cuda::begin_capture(stream);
      queue_step();
      graph_ = cuda::Graph(cuda::end_capture(stream));
    } catch (const Error& error) {
      cuda::abandon_capture(stream);
      failed_ = true;
      warnings.push_back(std::string("A step could not be captured as a CUDA graph (") + error.what() +
                         "), so each was queued by itself, which is slower.");
    } catch (...) {
      // Out of host memory, say: the stream must not go on recording.
      cuda::abandon_capture(stream);
      throw;
    }
  }
  /// To be called when shapes or addresses change.
  void forget() noexcept { graph_.reset(); }
  /// To be called at the start of a job: what failed once may work now.
  void try_again() noexcept { failed_ = false; }

 private:
  bool enabled_;
  bool failed_ = false;
  cuda::Graph graph_;
};

}  // namespace t2i
