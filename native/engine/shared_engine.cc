#include "engine/shared_engine.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "cuda/capture_mutex.h"
#include "tensorrt/dims64.h"
#include "tensorrt/failure.h"
#include "tensorrt/logger.h"

namespace t2i {

namespace {

/// Whether TensorRT complains of the engine, not of the device.
bool speaks_of_plan(const tensorrt::Log& log) {
  // Not `version`, which it says of the driver too.
  constexpr const char* kWords[] = {"magic", "Serialization", "plan file", "rebuild"};
  const std::string words = log.words("");
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](const char* word) { return words.find(word) != std::string::npos; });
}

/// @throws Error ENGINE_INVALID for a tensor in host memory: what it is bound to here is the device's
TensorSpec read_tensor(const tensorrt::CudaEngine& engine, const char* name) {
  if (engine.get_tensor_location(name) == tensorrt::TensorLocation::host) {
    throw Error(ErrorCode::engine_invalid,
                std::string("the engine wants ") + name + " in host memory, for its values decide shapes",
                "Export the network so that the shapes of its inputs alone decide all others.");
  }
  TensorSpec spec;
  spec.name = name;
  spec.is_input = engine.get_tensor_io_mode(name) == tensorrt::TensorIOMode::input;
  spec.type = engine.get_tensor_data_type(name);
  spec.dims = tensorrt::from_dims64(engine.get_tensor_shape(name));
  if (!spec.is_input) return spec;
  spec.min = spec.max = spec.dims;
  if (std::find(spec.dims.begin(), spec.dims.end(), -1) != spec.dims.end()) {
    spec.min = tensorrt::from_dims64(engine.get_profile_shape(name, 0, tensorrt::ProfileSelector::min));
    spec.max = tensorrt::from_dims64(engine.get_profile_shape(name, 0, tensorrt::ProfileSelector::max));
  }
  return spec;
}

/// An engine that somebody holds or makes.
struct Place {
  /// Held by whoever makes it.
  std::mutex making;
  /// Under the mutex of the places.
  std::weak_ptr<SharedEngine> engine;
};

/// Library, device, hash.
using Key = std::tuple<std::string, int32_t, std::string>;

/// The engines of the process.
class Places {
 public:
  std::shared_ptr<Place> place(const Key& key) {
    const std::lock_guard lock(mutex_);
    for (auto each = places_.begin(); each != places_.end();) {
      const bool unused = each->second.use_count() == 1 && each->second->engine.expired();
      each = unused ? places_.erase(each) : std::next(each);
    }
    std::shared_ptr<Place>& place = places_[key];
    if (!place) place = std::make_shared<Place>();
    return place;
  }
  /// Null where nobody holds it.
  std::shared_ptr<SharedEngine> engine(const Place& place) {
    const std::lock_guard lock(mutex_);
    return place.engine.lock();
  }
  void keep(Place& place, const std::shared_ptr<SharedEngine>& engine) {
    const std::lock_guard lock(mutex_);
    place.engine = engine;
  }

 private:
  std::mutex mutex_;
  std::map<Key, std::shared_ptr<Place>> places_;
};

/// One for the process, as the device is.
Places& places() {
  static Places instance;
  return instance;
}

std::shared_ptr<SharedEngine> make_engine(const std::shared_ptr<tensorrt::Library>& library, Bytes serialized) {
  const std::shared_lock lock(cuda::capture_mutex());
  return std::make_shared<SharedEngine>(library, serialized);
}

}  // namespace

SharedEngine::SharedEngine(std::shared_ptr<tensorrt::Library> opened, Bytes serialized)
    : library(std::move(opened)), runtime(library->create_runtime(log), library->slots()) {
  const tensorrt::Listening listening(library->logger(), log);
  engine = runtime.deserialize_cuda_engine(serialized.data, serialized.size);
  if (!engine) {
    const bool invalid = speaks_of_plan(log);
    throw tensorrt::failure(log, invalid ? ErrorCode::engine_invalid : ErrorCode::backend_failed,
                            "TensorRT cannot read the engine", invalid ? kRebuildEngines : "");
  }
  for (int32_t i = 0; i < engine.get_nb_io_tensors(); i++) {
    tensors.push_back(read_tensor(engine, engine.get_io_tensor_name(i)));
  }
}

SharedEngine::~SharedEngine() {
  const tensorrt::Listening listening(library->logger(), log);
  engine = {};
  runtime = {};
}

std::shared_ptr<SharedEngine> share_engine(const std::shared_ptr<tensorrt::Library>& library, Bytes serialized,
                                           const EngineIdentity& identity) {
  if (identity.sha256.empty()) return make_engine(library, serialized);
  const std::shared_ptr<Place> place = places().place({library->info().path, identity.device, identity.sha256});
  const std::lock_guard making(place->making);
  std::shared_ptr<SharedEngine> engine = places().engine(*place);
  if (engine) return engine;
  engine = make_engine(library, serialized);
  places().keep(*place, engine);
  return engine;
}

}  // namespace t2i
