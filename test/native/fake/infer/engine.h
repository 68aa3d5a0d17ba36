#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/abi.h"
#include "common/failures.h"
#include "common/object.h"
#include "common/toy_network.h"
#include "infer/runtime_config.h"

namespace t2i::fake {

/// IRuntime.
class Runtime : public Object<Runtime> {
 public:
  explicit Runtime(void* logger) : log(logger) {}
  static const MethodTable& methods();
  Log log;
};

/// Times that a caller broke a rule which the real library does not check: see `fake_warnings`.
inline std::atomic<int> warnings{0};

/// Engines that were deserialised.
inline std::atomic<int> deserialisations{0};
/// Of the serialized engines that there are, as what weights take on the device.
inline std::atomic<int> engine_bytes{0};

/// ICudaEngine.
class Engine : public Object<Engine> {
 public:
  Engine(Log log, ToyEngine given, std::size_t serialized_bytes)
      : log(log), toy(std::move(given)), bytes(static_cast<int>(serialized_bytes)) {
    deserialisations++;
    engine_bytes += bytes;
  }
  ~Engine() {
    engine_bytes -= bytes;
    // It must not end before its contexts.
    if (contexts > 0) warnings++;
  }
  static const MethodTable& methods();
  Log log;
  ToyEngine toy;
  int bytes;
  mutable std::atomic<int> contexts{0};
};

/// Forwards that ran by kernels which are made for no shape, as TensorRT-RTX has them until others are compiled.
inline std::atomic<int> fallbacks{0};
/// Kernels that were compiled for a shape.
inline std::atomic<int> compilations{0};

/// IExecutionContext.
class Context : public Object<Context> {
 public:
  /// @param config of TensorRT-RTX, null elsewhere
  Context(const Engine& engine, const RuntimeConfig* config);
  ~Context();
  /// In how many blocks of memory those that there are work.
  static int blocks();
  static const MethodTable& methods();

  bool set_shape(const char* name, Shape shape);
  /// Empty where it is not known yet.
  Shape shape(const std::string& name) const;
  bool set_address(const char* name, void* memory);
  /// Bytes that a forward of these shapes works in.
  std::size_t activation_bytes() const;
  void set_memory(void* memory);
  bool capturable() const { return !failures_.has("not-capturable"); }
  bool enqueue(void* stream);

 private:
  bool refuse(const std::string& method, const std::string& why) const;
  /// Whether a kernel for these shapes is there, or is compiled at once.
  bool specialised();

  const Engine& engine_;
  Failures failures_;
  std::map<std::string, Shape> shapes_;
  std::map<std::string, void*> addresses_;
  void* memory_ = nullptr;
  bool eager_ = true;
  std::shared_ptr<Kernels> kernels_;
  /// Whether the next forward is the first with these shapes: it waits for the device.
  bool first_ = true;
  /// Counts what changes the context; shared with the forwards that are queued or recorded.
  std::shared_ptr<std::atomic<int>> state_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace t2i::fake
