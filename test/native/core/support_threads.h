#pragma once

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

namespace t2i::test {

/// A thread of which a test can tell that it waits for something.
class OtherThread {
 public:
  explicit OtherThread(std::function<void()> work)
      : thread_([this, work = std::move(work)] {
          id_ = gettid();
          work();
          done_ = true;
        }) {}
  ~OtherThread() { join(); }

  void join() {
    if (thread_.joinable()) thread_.join();
  }
  bool done() const { return done_; }
  /// Returns once the thread is done, or asleep, as one is that waits for a lock or a file.
  void wait_until_done_or_asleep() const {
    while (!done_ && !(id_ != 0 && asleep())) std::this_thread::yield();
  }

 private:
  /// The state is the first letter behind the name in parentheses.
  bool asleep() const {
    std::ifstream file("/proc/self/task/" + std::to_string(id_) + "/stat");
    std::string line;
    std::getline(file, line);
    const std::size_t name = line.rfind(") ");
    return name != std::string::npos && line[name + 2] == 'S';
  }

  std::atomic<pid_t> id_{0};
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace t2i::test
