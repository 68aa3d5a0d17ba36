#pragma once

#include <mutex>
#include <vector>

#include "tensorrt/interfaces.h"
#include "tensorrt/log.h"

namespace t2i::tensorrt {

/// The ILogger that every object of a library is made with. TensorRT keeps the first that it is given as its global
/// logger and writes to it as long as the process lives, whoever made it: so there is one for each layout, and none is
/// ever destroyed. Whom a line is for, the calling thread says: see Listening.
class Logger {
 public:
  /// The one for libraries with these slots, which are kSlots10 or kSlots11.
  static Logger& of(const Slots& slots);
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  /// ILogger*, for the factories.
  void* get() noexcept;

 private:
  friend class Listening;

  class Of10 final : public LoggerOf10 {
   public:
    explicit Of10(Logger& logger) noexcept : logger_(logger) {}
    void log(Severity severity, const char* message) noexcept override { logger_.tell(severity, message); }

   private:
    Logger& logger_;
  };
  class Of11 final : public LoggerOf11 {
   public:
    explicit Of11(Logger& logger) noexcept : logger_(logger) {}
    void log(Severity severity, const char* message) noexcept override { logger_.tell(severity, message); }

   private:
    Logger& logger_;
  };

  explicit Logger(const Slots& slots) noexcept : of10_(*this), of11_(*this), slots_(slots) {}
  void tell(Severity severity, const char* message) noexcept;

  Of10 of10_;
  Of11 of11_;
  const Slots& slots_;
  std::mutex mutex_;
  /// Those of all threads.
  std::vector<Log*> listeners_;
};

/// While this lives, what TensorRT says on this thread goes to `log` alone. What it says on threads of its own, as a
/// builder does, goes to everybody who listens. Whatever calls into TensorRT is to be called within one.
class Listening {
 public:
  Listening(Logger& logger, Log& log);
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening();

 private:
  Logger& logger_;
  Log& log_;
  /// Of this thread, before.
  Log* outer_;
};

}  // namespace t2i::tensorrt
