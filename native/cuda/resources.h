#pragma once

#include <cstddef>
#include <utility>

#include "cuda/device.h"

namespace t2i::cuda {

/// Owns one handle of the seam; moves, never copies.
template <typename Handle, void (*destroy)(Handle) noexcept>
class Owner {
 public:
  Owner() = default;
  explicit Owner(Handle handle) noexcept : handle_(handle) {}
  Owner(Owner&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owner& operator=(Owner&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  ~Owner() { reset(); }

  Handle get() const noexcept { return handle_; }
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  void reset() noexcept {
    if (handle_ != nullptr) destroy(std::exchange(handle_, nullptr));
  }

 private:
  Handle handle_ = nullptr;
};

class Stream : public Owner<StreamHandle, destroy_stream> {
 public:
  using Owner::Owner;
  static Stream create() { return Stream(create_stream()); }
};

class Graph : public Owner<GraphHandle, destroy_graph> {
 public:
  using Owner::Owner;
};

class Event : public Owner<EventHandle, destroy_event> {
 public:
  using Owner::Owner;
  static Event create() { return Event(create_event()); }
};

class DeviceBuffer : public Owner<void*, release> {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::size_t bytes) : Owner(allocate(bytes)), bytes_(bytes) {}
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

class PinnedBuffer : public Owner<void*, release_pinned> {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(std::size_t bytes) : Owner(allocate_pinned(bytes)), bytes_(bytes) {}
  std::size_t bytes() const noexcept { return bytes_; }
  template <typename T>
  T* as() const noexcept {
    return static_cast<T*>(get());
  }

 private:
  std::size_t bytes_ = 0;
};

}  // namespace t2i::cuda
