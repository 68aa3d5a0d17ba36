#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/abi.h"
#include "common/failures.h"
#include "common/object.h"
#include "common/toy_network.h"

namespace t2i::fake {

/// IRuntime.
class Runtime : public Object<Runtime> {
 public:
  explicit Runtime(void* logger) : log(logger) {}
  static const MethodTable& methods();
  Log log;
};

/// ICudaEngine.
class Engine : public Object<Engine> {
 public:
  Engine(Log log, ToyPlan plan) : log(log), plan(std::move(plan)) {}
  static const MethodTable& methods();
  Log log;
  ToyPlan plan;
};

/// Times that a caller broke a rule which the real library does not check: see `fake_warnings`.
inline std::atomic<int> warnings{0};

/// IExecutionContext.
class Context : public Object<Context> {
 public:
  explicit Context(const Engine& engine);
  ~Context() { *alive_ = false; }
  static const MethodTable& methods();

  bool set_shape(const char* name, Shape shape);
  /// Empty where it is not known yet.
  Shape shape(const std::string& name) const;
  bool set_address(const char* name, void* memory);
  bool enqueue(void* stream);

 private:
  bool refuse(const std::string& method, const std::string& why) const;

  const Engine& engine_;
  Failures failures_;
  std::map<std::string, Shape> shapes_;
  std::map<std::string, void*> addresses_;
  /// Whether the next forward is the first with these shapes: it waits for the device.
  bool first_ = true;
  std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
};

}  // namespace t2i::fake
