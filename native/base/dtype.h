#pragma once

#include <cstddef>
#include <cstdint>

namespace t2i {

/// Element types of tensors; the numbers are TensorRT's own (nvinfer1::DataType).
enum class DataType : int32_t {
  float32 = 0,
  float16 = 1,
  int8 = 2,
  int32 = 3,
  boolean = 4,
  uint8 = 5,
  fp8 = 6,
  bfloat16 = 7,
  int64 = 8,
};

/// Bytes of one element.
constexpr std::size_t size_of(DataType type) {
  switch (type) {
    case DataType::int64:
      return 8;
    case DataType::float32:
    case DataType::int32:
      return 4;
    case DataType::float16:
    case DataType::bfloat16:
      return 2;
    default:
      return 1;
  }
}

}  // namespace t2i
