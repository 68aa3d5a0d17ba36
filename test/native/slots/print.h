#pragma once

#include <cstddef>
#include <cstdio>
#include <cstring>

// Both programs print one fact a line: its name, a space, its number.

inline void print(const char* name, long long value) { std::printf("%s %lld\n", name, value); }

/// Index of a virtual method in its vtable: the Itanium C++ ABI keeps one more than its byte offset in a pointer to it.
template <typename Pointer>
long long slot(Pointer method) {
  static_assert(sizeof(Pointer) == 2 * sizeof(std::ptrdiff_t));
  std::ptrdiff_t offset;
  std::memcpy(&offset, &method, sizeof offset);
  return (offset - 1) / static_cast<long long>(sizeof(void*));
}
