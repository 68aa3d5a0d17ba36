#include "node/sim.h"

#ifdef T2I_SIM

#include <dlfcn.h>
#include <malloc.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "cuda/sim.h"
#include "node/argument.h"

namespace t2i {

namespace {

cuda::SimFailure read_failure(const Argument& kind) {
  const std::string name = kind.string();
  if (name == "none") return cuda::SimFailure::none;
  if (name == "out_of_memory") return cuda::SimFailure::out_of_memory;
  if (name == "launch") return cuda::SimFailure::launch;
  if (name == "sticky") return cuda::SimFailure::sticky;
  kind.refuse("none, out_of_memory, launch or sticky");
}

void fail_call(const Napi::CallbackInfo& info) {
  const int64_t call = Argument(info[0], "n").integer(0, std::numeric_limits<int32_t>::max());
  cuda::sim_fail_call(call, read_failure(Argument(info[1], "kind")));
}

Napi::Value calls(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(cuda::sim_calls()));
}

Napi::Value calls_of(const Napi::CallbackInfo& info) {
  const std::string name = Argument(info[0], "name").string();
  return Napi::Number::New(info.Env(), static_cast<double>(cuda::sim_calls_of(name.c_str())));
}

/// Bytes of this process that came from malloc and were not freed, V8's heap not among them.
Napi::Value allocated(const Napi::CallbackInfo& info) {
  const struct mallinfo2 memory = mallinfo2();
  return Napi::Number::New(info.Env(), static_cast<double>(memory.uordblks + memory.hblkhd));
}

Napi::Value live(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(cuda::sim_live()));
}

/// What V8 was told of native memory; process.memoryUsage() does not say it.
Napi::Value external_memory(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(),
                           static_cast<double>(Napi::MemoryManagement::AdjustExternalMemory(info.Env(), 0)));
}

/// What a stand-in for TensorRT exports.
Napi::Value counter_of(const Napi::CallbackInfo& info) {
  const std::string library = Argument(info[0], "library").string(), name = Argument(info[1], "name").string();
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* counter = handle == nullptr ? nullptr : dlsym(handle, name.c_str());
  if (counter == nullptr) throw Napi::Error::New(info.Env(), library + " exports no " + name);
  return Napi::Number::New(info.Env(), reinterpret_cast<int (*)()>(counter)());
}

/// Reads beyond its memory: what an address sanitizer must see.
Napi::Value overrun(const Napi::CallbackInfo& info) {
  const std::size_t size = 1 + info.Length();
  const std::unique_ptr<volatile uint8_t[]> bytes(new volatile uint8_t[size]());
  return Napi::Number::New(info.Env(), bytes[size]);
}

}  // namespace

void export_sim(Napi::Env env, Napi::Object exports) {
  Napi::Object sim = Napi::Object::New(env);
  sim.Set("failCall", Napi::Function::New(env, fail_call, "failCall"));
  sim.Set("calls", Napi::Function::New(env, calls, "calls"));
  sim.Set("callsOf", Napi::Function::New(env, calls_of, "callsOf"));
  sim.Set("allocated", Napi::Function::New(env, allocated, "allocated"));
  sim.Set("live", Napi::Function::New(env, live, "live"));
  sim.Set("externalMemory", Napi::Function::New(env, external_memory, "externalMemory"));
  sim.Set("counterOf", Napi::Function::New(env, counter_of, "counterOf"));
  sim.Set("overrun", Napi::Function::New(env, overrun, "overrun"));
  exports.Set("sim", sim);
}

}  // namespace t2i

#else

namespace t2i {

void export_sim(Napi::Env, Napi::Object) {}

}  // namespace t2i

#endif
