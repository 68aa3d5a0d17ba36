#include "tensorrt/library.h"

#include <dlfcn.h>

#include "base/error.h"
#include "cuda/device.h"
#include "tensorrt/failure.h"
#include "tensorrt/inspect.h"
#include "tensorrt/interfaces.h"
#include "tensorrt/logger.h"
#include "tensorrt/objects.h"

namespace t2i::tensorrt {

namespace {

/// createInferRuntime_INTERNAL and createInferBuilder_INTERNAL.
using Factory = void* (*)(void* logger, int32_t version);
using ParserFactory = void* (*)(void* network, void* logger, int32_t version);
using VersionFunction = int32_t (*)();

void* open_file(const std::string& path) {
  // RTLD_NOW: a missing symbol is found here and not in the middle of a run. RTLD_LOCAL: another TensorRT may be loaded
  // too.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) return handle;
  const char* why = dlerror();
  throw Error(ErrorCode::backend_unavailable,
              path + " cannot be loaded: " + (why != nullptr ? why : "the dynamic loader does not say why"),
              "A library that it names must be on the loader's path: set LD_LIBRARY_PATH, or install TensorRT again.");
}

template <typename Function>
Function find_function(void* handle, const std::string& path, const char* name) {
  void* function = dlsym(handle, name);
  if (function == nullptr) {
    throw Error(ErrorCode::backend_unavailable, path + " exports no " + name, "Install TensorRT again.");
  }
  return reinterpret_cast<Function>(function);
}

/// Without a driver TensorRT's factories return pointers into nowhere.
void require_device() {
  const cuda::DeviceProbe probe = cuda::probe();
  if (probe.available) return;
  throw Error(ErrorCode::backend_unavailable, "TensorRT needs a GPU: " + probe.reason, probe.hint);
}

void* checked(void* object, const std::string& what, Log& log) {
  if (is_object(object)) return object;
  throw failure(log, ErrorCode::backend_failed, "TensorRT made no " + what,
                "t2i doctor shows the driver and the versions.");
}

int32_t as_number(const std::array<int, 3>& version) { return version[0] * 10000 + version[1] * 100 + version[2]; }

}  // namespace

std::shared_ptr<Library> Library::open(const std::string& path) {
  LibraryInfo info = inspect(path);
  if (!info.problem.empty()) throw Error(ErrorCode::backend_unavailable, info.problem, info.hint);
  void* handle = open_file(path);
  const int32_t number = find_function<VersionFunction>(handle, path, "getInferLibVersion")();
  const std::array<int, 3> version{number / 10000, number / 100 % 100, number % 100};
  if (version[0] != info.version[0]) {
    throw Error(ErrorCode::backend_unavailable,
                path + " says that it is version " + std::to_string(number) + ": expected major version " +
                    std::to_string(info.version[0]) + ", as in its file",
                "Install TensorRT again.");
  }
  info.version = version;
  std::shared_ptr<Library> library(new Library());
  library->info_ = std::move(info);
  library->slots_ = version[0] == 10 ? &kSlots10 : &kSlots11;
  library->logger_ = &Logger::of(*library->slots_);
  library->handle_ = handle;
  return library;
}

void* Library::create_runtime(Log& log) const {
  require_device();
  const auto factory = find_function<Factory>(handle_, info_.path, "createInferRuntime_INTERNAL");
  const Listening listening(logger(), log);
  return checked(factory(logger().get(), as_number(info_.version)), "runtime", log);
}

void Library::require_building() const {
  if (info_.can_build) return;
  std::string why;
  for (const std::string& note : info_.notes) why += " " + note;
  throw Error(ErrorCode::backend_unavailable, info_.path + " cannot build engines." + why,
              "Install the whole of TensorRT with its ONNX parser, or TensorRT-RTX; t2i doctor lists what was found.");
}

void* Library::create_builder(Log& log) const {
  require_building();
  if (info_.kind != Kind::rtx) require_device();
  const auto factory = find_function<Factory>(handle_, info_.path, "createInferBuilder_INTERNAL");
  const Listening listening(logger(), log);
  return checked(factory(logger().get(), as_number(info_.version)), "builder", log);
}

void* Library::create_parser(void* network, Log& log) const {
  require_building();
  // Opened again for every build: the loader hands out what is open already.
  void* handle = open_file(info_.parser_path);
  const auto version = find_function<VersionFunction>(handle, info_.parser_path, "getNvOnnxParserVersion");
  const auto factory = find_function<ParserFactory>(handle, info_.parser_path, "createNvOnnxParser_INTERNAL");
  const Listening listening(logger(), log);
  return checked(factory(network, logger().get(), version()), "ONNX parser", log);
}

}  // namespace t2i::tensorrt
