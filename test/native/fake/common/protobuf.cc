#include "common/protobuf.h"

namespace t2i::fake {

bool Message::next(Field& field) {
  if (at_ == end_) return false;
  const uint64_t key = varint();
  field = {};
  field.number = static_cast<uint32_t>(key >> 3);
  if (field.number == 0) throw Malformed("field number 0");
  switch (key & 7) {
    case 0:
      field.value = varint();
      break;
    case 1:
      take(8);
      break;
    case 2:
      field.size = varint();
      field.data = take(field.size);
      break;
    case 5:
      take(4);
      break;
    default:
      throw Malformed("unknown wire type " + std::to_string(key & 7));
  }
  return true;
}

uint64_t Message::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = *take(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw Malformed("a number longer than 64 bits");
}

const uint8_t* Message::take(uint64_t bytes) {
  if (bytes > static_cast<uint64_t>(end_ - at_)) throw Malformed("the message ends within a field");
  const uint8_t* start = at_;
  at_ += bytes;
  return start;
}

}  // namespace t2i::fake
