#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace t2i::fake {

/// A protocol buffer message that is damaged.
struct Malformed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One field of a message: its number and, by its wire type, a number or bytes.
struct Field {
  uint32_t number = 0;
  uint64_t value = 0;
  const uint8_t* data = nullptr;
  std::size_t size = 0;

  std::string text() const { return {reinterpret_cast<const char*>(data), size}; }
};

/// Reads a message field by field; nested messages are the bytes of a field.
class Message {
 public:
  Message(const void* data, std::size_t size)
      : at_(static_cast<const uint8_t*>(data)), end_(static_cast<const uint8_t*>(data) + size) {}
  explicit Message(const Field& field) : Message(field.data, field.size) {}

  /// False at the end.
  /// @throws Malformed
  bool next(Field& field);

 private:
  uint64_t varint();
  const uint8_t* take(uint64_t bytes);

  const uint8_t* at_;
  const uint8_t* end_;
};

}  // namespace t2i::fake
