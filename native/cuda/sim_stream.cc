#include "cuda/sim_stream.h"

#include <utility>

#include "cuda/sim_device.h"

namespace t2i::cuda {

SimQueue::SimQueue() {
  enqueue = [](SimStream* stream, void (*work)(void*), void (*drop)(void*), void* argument) {
    static_cast<SimQueue*>(stream)->push(std::make_shared<SimWork>(work, drop, argument));
  };
  synchronize_device = [](SimStream*) { return sim_synchronize_device(); };
  capturing = [](SimStream* stream) { return static_cast<SimQueue*>(stream)->is_capturing(); };
  thread_ = std::thread([this] { loop(); });
}

SimQueue::~SimQueue() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void SimQueue::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::shared_ptr<SimWork> work = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    work->run();
    work.reset();
    lock.lock();
    busy_ = false;
    if (queue_.empty()) changed_.notify_all();
  }
}

void SimQueue::push(std::shared_ptr<SimWork> work) {
  {
    std::lock_guard lock(mutex_);
    if (capturing_) {
      recorded_.push_back(std::move(work));
      return;
    }
    queue_.push_back(std::move(work));
  }
  changed_.notify_all();
}

void SimQueue::push(const SimGraph& graph) {
  for (const auto& work : graph) push(work);
}

void SimQueue::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

bool SimQueue::idle() {
  std::lock_guard lock(mutex_);
  return queue_.empty() && !busy_;
}

bool SimQueue::is_capturing() {
  std::lock_guard lock(mutex_);
  return capturing_;
}

bool SimQueue::captured_here() {
  std::lock_guard lock(mutex_);
  return capturing_ && capturer_ == std::this_thread::get_id();
}

void SimQueue::begin_capture() {
  std::lock_guard lock(mutex_);
  capturing_ = true;
  spoilt_ = false;
  capturer_ = std::this_thread::get_id();
}

void SimQueue::spoil_capture() {
  std::lock_guard lock(mutex_);
  spoilt_ = true;
}

bool SimQueue::end_capture(SimGraph& graph) {
  SimGraph recorded;
  std::lock_guard lock(mutex_);
  recorded.swap(recorded_);
  capturing_ = false;
  if (spoilt_) return false;
  graph = std::move(recorded);
  return true;
}

}  // namespace t2i::cuda
