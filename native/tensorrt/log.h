#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "tensorrt/interfaces.h"

namespace t2i::tensorrt {

/// What TensorRT said to one owner, for example while an engine was built. Lines may come from any thread.
class Log {
 public:
  /// Errors, oldest first, without repetitions.
  std::vector<std::string> errors() const;
  std::vector<std::string> warnings() const;
  /// The errors in one line for a message; `otherwise` where there are none.
  std::string words(const std::string& otherwise) const;
  /// Whether one of the last errors says that memory ran out.
  bool out_of_memory() const;
  void clear();

  /// Keeps errors and warnings; null and anything less grave is left out.
  void add(Severity severity, const char* message) noexcept;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> errors_;
  std::vector<std::string> warnings_;
};

}  // namespace t2i::tensorrt
