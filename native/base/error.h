#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace t2i {

/// Codes of native errors; each is a code of src/errors.ts, written in capitals there.
enum class ErrorCode {
  backend_unavailable,
  backend_failed,
  out_of_memory,
  device_lost,
  engine_invalid,
  engine_build_failed,
  closed,
  /// Not an error of its own for users: JavaScript answers with the signal's reason.
  aborted,
  internal,
};

/// The code as src/errors.ts spells it, for example `OUT_OF_MEMORY`.
const char* code_name(ErrorCode code) noexcept;

/// What every native function throws. The message names what was expected and what came.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, std::string hint = {})
      : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}

  ErrorCode code() const noexcept { return code_; }
  /// What to do about it: a command or a sentence; may be empty.
  const std::string& hint() const noexcept { return hint_; }

 private:
  ErrorCode code_;
  std::string hint_;
};

}  // namespace t2i
