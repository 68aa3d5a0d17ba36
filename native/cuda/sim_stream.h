#pragma once

// A stream of the simulated device: a thread that runs what is queued, in order, or a list while a capture records.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cuda/sim.h"

namespace t2i::cuda {

/// One piece of queued work; runs as often as it is launched, and drops its argument once.
class SimWork {
 public:
  SimWork(void (*work)(void*), void (*drop)(void*), void* argument) : work_(work), drop_(drop), argument_(argument) {}
  SimWork(const SimWork&) = delete;
  SimWork& operator=(const SimWork&) = delete;
  ~SimWork() {
    if (drop_ != nullptr) drop_(argument_);
  }
  void run() { work_(argument_); }

 private:
  void (*work_)(void*);
  void (*drop_)(void*);
  void* argument_;
};

/// Work recorded by a capture, in order.
using SimGraph = std::vector<std::shared_ptr<SimWork>>;

class SimQueue : public SimStream {
 public:
  SimQueue();
  /// Runs what is queued, then ends the thread.
  ~SimQueue();

  /// Queues, or records within a capture.
  void push(std::shared_ptr<SimWork> work);
  void push(const SimGraph& graph);
  void wait();
  bool idle();

  bool is_capturing();
  /// Whether the calling thread began the capture.
  bool captured_here();
  void begin_capture();
  /// What was done during it that a device refuses; `end_capture` then gives no graph.
  void spoil_capture();
  /// @returns false where it was spoilt
  bool end_capture(SimGraph& graph);

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<SimWork>> queue_;
  SimGraph recorded_;
  std::thread::id capturer_;
  bool capturing_ = false;
  bool spoilt_ = false;
  bool busy_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace t2i::cuda
