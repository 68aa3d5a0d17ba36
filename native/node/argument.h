#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace t2i {

/// Elements of a typed array, where they lie: valid while JavaScript neither runs nor detaches them.
template <typename T>
struct View {
  T* data;
  std::size_t size;
  std::vector<T> copy() const { return std::vector<T>(data, data + size); }
};

/// A value from JavaScript and its name, for example `job.plan.rows`. What is not of the expected type is refused by a
/// TypeError that names it, what was expected and what came.
class Argument {
 public:
  Argument(Napi::Value value, std::string name) : value_(value), name_(std::move(name)) {}

  /// A field of an object.
  Argument operator[](const char* field) const;
  /// Entries of an array.
  std::vector<Argument> list() const;
  /// Fields of an object, each named by its key.
  std::vector<std::pair<std::string, Argument>> entries() const;
  /// Whether it is null or undefined.
  bool absent() const { return value_.IsNull() || value_.IsUndefined(); }

  /// Whether it is a typed array in a SharedArrayBuffer.
  bool is_shared() const;

  /// A finite number, as float32.
  float real() const;
  int64_t integer(int64_t min, int64_t max) const;
  bool boolean() const;
  std::string string() const;
  Napi::Object object() const;
  Napi::Function function() const;
  View<float> floats() const;
  View<int32_t> int32s() const;
  View<uint8_t> bytes() const;
  /// Elements of an array that must have this length.
  View<float> floats(std::size_t length) const;
  View<int32_t> int32s(std::size_t length) const;

  [[noreturn]] void refuse(const std::string& expected) const;

 private:
  template <typename T>
  View<T> elements(napi_typedarray_type type, const char* expected) const;

  Napi::Value value_;
  std::string name_;
};

}  // namespace t2i
