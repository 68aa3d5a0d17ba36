#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>

#include "base/error.h"

namespace t2i::test {

/// What the stand-ins for TensorRT do wrong while this lives; see test/native/fake/common/failures.h.
class StandInFails {
 public:
  explicit StandInFails(const std::string& names) { setenv("T2I_FAKE_TENSORRT", names.c_str(), 1); }
  StandInFails(const StandInFails&) = delete;
  StandInFails& operator=(const StandInFails&) = delete;
  ~StandInFails() { unsetenv("T2I_FAKE_TENSORRT"); }
};

/// The error that `action` throws.
inline Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorCode::internal, "");
}

inline void expect_error(const Error& error, ErrorCode code, const std::string& words) {
  EXPECT_STREQ(code_name(error.code()), code_name(code)) << error.what();
  EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
}

}  // namespace t2i::test
