#include "cuda/driver.h"

#include <dlfcn.h>

namespace t2i::cuda {

namespace {

template <typename... Args>
CUresult absent(Args...) {
  return CUDA_ERROR_NOT_INITIALIZED;
}

template <typename... Args>
void find(void* library, const char* symbol, CUresult (*&function)(Args...), std::string& missing) {
  void* found = library == nullptr ? nullptr : dlsym(library, symbol);
  if (found == nullptr && library != nullptr && missing.empty()) missing = std::string("it has no ") + symbol;
  function = found == nullptr ? &absent<Args...> : reinterpret_cast<CUresult (*)(Args...)>(found);
}

struct Opened {
  Opened() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      const char* why = dlerror();
      functions.missing = why != nullptr ? why : "libcuda.so.1 cannot be loaded";
    }
#define T2I_FIND(name, symbol, arguments) find(library, symbol, functions.name, functions.missing);
    T2I_DRIVER_FUNCTIONS(T2I_FIND)
#undef T2I_FIND
    status = functions.init(0);
  }

  Driver functions;
  CUresult status;
};

/// Never destroyed: other threads may still use it while the process ends.
const Opened& opened() noexcept {
  static const Opened* const instance = new Opened;
  return *instance;
}

}  // namespace

const Driver& driver() noexcept { return opened().functions; }
CUresult driver_status() noexcept { return opened().status; }

}  // namespace t2i::cuda
