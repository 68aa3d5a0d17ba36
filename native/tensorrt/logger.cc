#include "tensorrt/logger.h"

#include <algorithm>

namespace t2i::tensorrt {

namespace {

/// Who listens on this thread; null where nobody does.
thread_local Log* here = nullptr;

}  // namespace

Logger& Logger::of(const Slots& slots) {
  static Logger* const ten = new Logger(kSlots10);
  static Logger* const eleven = new Logger(kSlots11);
  return slots.log == kSlots10.log ? *ten : *eleven;
}

void* Logger::get() noexcept {
  if (slots_.log == kSlots10.log) return static_cast<LoggerOf10*>(&of10_);
  return static_cast<LoggerOf11*>(&of11_);
}

void Logger::tell(Severity severity, const char* message) noexcept {
  if (here != nullptr) {
    here->add(severity, message);
    return;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  for (Log* log : listeners_) log->add(severity, message);
}

Listening::Listening(Logger& logger, Log& log) : logger_(logger), log_(log), outer_(here) {
  const std::lock_guard<std::mutex> lock(logger_.mutex_);
  logger_.listeners_.push_back(&log_);
  here = &log_;
}

Listening::~Listening() {
  here = outer_;
  const std::lock_guard<std::mutex> lock(logger_.mutex_);
  const auto last = std::find(logger_.listeners_.rbegin(), logger_.listeners_.rend(), &log_);
  logger_.listeners_.erase(std::next(last).base());
}

}  // namespace t2i::tensorrt
