#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace t2i::tensorrt {

class Log;
class Logger;
struct Slots;

enum class Kind {
  /// Builds and runs.
  full,
  /// Runs only.
  lean,
  /// TensorRT for RTX: builds ahead of time without a GPU.
  rtx,
};

/// One TensorRT that was found on this machine.
struct LibraryInfo {
  Kind kind;
  /// Of the runtime library, as it was opened.
  std::string path;
  /// Major, minor, patch.
  std::array<int, 3> version;
  /// Of the ONNX parser beside it; empty where there is none.
  std::string parser_path;
  bool can_build;
  /// Why this one cannot be used, and what helps; empty where it can.
  std::string problem;
  std::string hint;
  /// What is worth knowing though it can be used: newer than tested, no parser, a missing builder resource.
  std::vector<std::string> notes;
};

/// Folders to look in, in order: the caller's, then the loader's path, the usual ones and pip's.
struct SearchPath {
  /// Option or T2I_TENSORRT_LIB_DIR: where it is not empty, nothing else is searched.
  std::string only;
  /// Further folders, for example pip's, found by the caller.
  std::vector<std::string> more;
};

/// Every TensorRT of this machine, the best first: full, then RTX, then lean; newer before older. Never throws.
/// What a file is comes from its symbols and its version; no object is created, so it is safe without a driver.
std::vector<LibraryInfo> find_libraries(const SearchPath& search) noexcept;

/// An opened TensorRT. Stays open until the process ends: its threads and registries do not survive dlclose.
class Library {
 public:
  /// @param path of the runtime library, as in LibraryInfo
  /// @throws Error BACKEND_UNAVAILABLE: not found, no TensorRT, an unknown major version, with what dlopen said
  static std::shared_ptr<Library> open(const std::string& path);

  const LibraryInfo& info() const noexcept { return info_; }
  /// Where the methods of this version's interfaces lie.
  const Slots& slots() const noexcept { return *slots_; }
  /// What every object of this library is made with.
  Logger& logger() const noexcept { return *logger_; }

  // The factories check that the device can be used before they call into TensorRT, for without a driver it returns
  // pointers into nowhere. Each throws Error BACKEND_UNAVAILABLE or BACKEND_FAILED, with what TensorRT said, which goes
  // to `log`.

  /// IRuntime*.
  void* create_runtime(Log& log) const;
  /// IBuilder*; TensorRT-RTX makes one without a GPU too.
  void* create_builder(Log& log) const;
  /// nvonnxparser::IParser* for an INetworkDefinition*.
  void* create_parser(void* network, Log& log) const;

 private:
  Library() = default;
  void require_building() const;

  LibraryInfo info_;
  const Slots* slots_ = nullptr;
  Logger* logger_ = nullptr;
  void* handle_ = nullptr;
};

}  // namespace t2i::tensorrt
