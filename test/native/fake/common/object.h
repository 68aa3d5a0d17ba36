#pragma once

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>

// Objects as TensorRT's libraries hand them out, made by hand: what the caller holds is a facade with a virtual
// destructor and a pointer to the implementation, whose methods lie at fixed slots of its table. The tables are filled
// from the slots that our own code calls by (native/tensorrt/interfaces.h); any other slot ends the process, so that a
// wrong one cannot pass unnoticed.

namespace t2i::fake {

/// Objects that exist; every library counts its own.
inline std::atomic<int> live_objects{0};

/// A table of virtual methods. `this` is the first argument of each; g++ calls a free function and a method alike.
class MethodTable {
 public:
  MethodTable() { entries_.fill(reinterpret_cast<const void*>(&unexpected)); }

  template <typename Result, typename... Arguments>
  MethodTable& set(int index, Result (*method)(Arguments...)) {
    entries_.at(static_cast<std::size_t>(index)) = reinterpret_cast<const void*>(method);
    return *this;
  }
  const void* const* entries() const { return entries_.data(); }

 private:
  static void unexpected() {
    std::fputs("a method was called that the stand-in for TensorRT does not have\n", stderr);
    std::abort();
  }

  std::array<const void*, 128> entries_;
};

/// What the methods get as `this`.
struct Implementation {
  const void* const* methods;
};

/// What the caller holds.
struct Facade {
  const void* const* methods;
  Implementation* implementation;
};

/**
 * Base of the stand-ins' classes. `Derived::methods()` gives the table of its implementation. Its facade destroys it
 * through the deleting destructor, the second entry of the table.
 */
template <typename Derived>
class Object {
 public:
  Object() : implementation_{Derived::methods().entries()}, facade_{facade_methods().entries(), &implementation_} {
    live_objects++;
  }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  ~Object() { live_objects--; }

  void* facade() { return &facade_; }
  static Derived& of(void* implementation) { return *static_cast<Derived*>(static_cast<Object*>(implementation)); }
  static Derived& of_facade(const void* facade) { return of(static_cast<const Facade*>(facade)->implementation); }

 private:
  static const MethodTable& facade_methods() {
    static const MethodTable table = MethodTable().set(1, +[](void* facade) { delete &of_facade(facade); });
    return table;
  }

  // First, so that `this` of a method is the object.
  Implementation implementation_;
  Facade facade_;
};

}  // namespace t2i::fake
