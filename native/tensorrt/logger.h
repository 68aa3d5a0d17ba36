#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

#include "tensorrt/interfaces.h"

namespace t2i::tensorrt {

/// Collects what TensorRT says, from any of its threads. Must outlive every object that was made with it.
class Logger {
 public:
  /// @param slots of the library that it is for: 10 and 11 expect different shapes
  explicit Logger(const Slots& slots) noexcept : of10_(*this), of11_(*this), slots_(slots) {}
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  /// ILogger*, for the factories.
  void* get() noexcept;

  /// Errors, oldest first, without repetitions.
  std::vector<std::string> errors() const;
  std::vector<std::string> warnings() const;
  /// The errors in one line for a message; `otherwise` where there are none.
  std::string words(const std::string& otherwise) const;
  /// Whether one of the last errors says that memory ran out.
  bool out_of_memory() const;
  void clear();

 private:
  class Of10 final : public LoggerOf10 {
   public:
    explicit Of10(Logger& logger) noexcept : logger_(logger) {}
    void log(Severity severity, const char* message) noexcept override { logger_.add(severity, message); }

   private:
    Logger& logger_;
  };
  class Of11 final : public LoggerOf11 {
   public:
    explicit Of11(Logger& logger) noexcept : logger_(logger) {}
    void log(Severity severity, const char* message) noexcept override { logger_.add(severity, message); }

   private:
    Logger& logger_;
  };

  void add(Severity severity, const char* message) noexcept;

  Of10 of10_;
  Of11 of11_;
  const Slots& slots_;
  mutable std::mutex mutex_;
  std::vector<std::string> errors_;
  std::vector<std::string> warnings_;
};

}  // namespace t2i::tensorrt
