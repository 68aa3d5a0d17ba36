#include "tensorrt/log.h"

#include <algorithm>

namespace t2i::tensorrt {

namespace {

/// The first lines say what is wrong with a model, the last ones what a call failed of: those between are dropped.
constexpr std::size_t kMaxLines = 64;
/// Of those a failing call wrote last. A builder speaks of memory long before that too, of tactics that it then leaves
/// out.
constexpr std::size_t kLastWords = 3;
constexpr std::size_t kMaxLength = 2000;

void keep(std::vector<std::string>& lines, const char* message) {
  std::string line(message);
  if (line.size() > kMaxLength) line.resize(kMaxLength);
  if (std::find(lines.begin(), lines.end(), line) != lines.end()) return;
  if (lines.size() >= kMaxLines) lines.erase(lines.begin() + kMaxLines / 2);
  lines.push_back(std::move(line));
}

}  // namespace

std::vector<std::string> Log::errors() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return errors_;
}

std::vector<std::string> Log::warnings() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return warnings_;
}

std::string Log::words(const std::string& otherwise) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string all;
  for (const std::string& line : errors_) all += (all.empty() ? "" : "; ") + line;
  return all.empty() ? otherwise : all;
}

bool Log::out_of_memory() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto last = errors_.end() - static_cast<std::ptrdiff_t>(std::min(kLastWords, errors_.size()));
  return std::any_of(last, errors_.end(), [](const std::string& line) {
    return line.find("out of memory") != std::string::npos || line.find("OutOfMemory") != std::string::npos;
  });
}

void Log::clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  errors_.clear();
  warnings_.clear();
}

void Log::add(Severity severity, const char* message) noexcept {
  if (message == nullptr || severity > Severity::warning) return;
  try {
    const std::lock_guard<std::mutex> lock(mutex_);
    keep(severity == Severity::warning ? warnings_ : errors_, message);
  } catch (...) {
    // Out of host memory: a line is lost, TensorRT must not see an exception.
  }
}

}  // namespace t2i::tensorrt
