// Whose logger TensorRT keeps: makes two builders of the library that is named, one after the other, and prints whether
// what it then writes to its global logger arrives at whoever listens. Linked with the core of build/none.

#include <dlfcn.h>

#include <cstdio>

#include "tensorrt/build_objects.h"
#include "tensorrt/library.h"
#include "tensorrt/logger.h"

using namespace t2i::tensorrt;

int main(int, char** arguments) {
  const std::shared_ptr<Library> library = Library::open(arguments[1]);
  const auto make_builder = [&] {
    Log log;
    return Builder(library->create_builder(log), library->slots());
  };
  {
    const Builder first = make_builder();
  }
  const Builder second = make_builder();
  void* handle = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  void* kept = reinterpret_cast<void* (*)()>(dlsym(handle, "getLogger"))();
  Log log;
  const Listening listening(library->logger(), log);
  call<void>(kept, library->slots().log, Severity::error, "hello");
  std::printf("%s\n", log.words("nothing").c_str());
}
